"""The observers that are installed: the project's own, and those of other distributions."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from preprocess_gateway.core.observers.observer import Observer
from preprocess_gateway.core.served_models import ServedModels
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import PluginError
from speech_emotion.plugins import Group

METHODS = ("wants", "observe", "close")


class ObserverClass(Protocol):
    """What an entry point of the group `speech_emotion.observers` names: a class whose `name` is that of the entry."""

    @property
    def name(self) -> str:
        """The value of the label `observer` in the metrics."""

    def __call__(self, settings: Settings, models: ServedModels, metrics: Metrics) -> Observer:
        """An observer for this worker, made after the fork. Its own settings and series are its own affair."""


OBSERVERS = Group[ObserverClass]("speech_emotion.observers", "observer", callable, lambda made: str(made.name))


def start_observers(settings: Settings, models: ServedModels, metrics: Metrics) -> tuple[Observer, ...]:
    """All installed observers. Raises PluginError, which names the distribution, if one cannot be imported or made."""
    with ExitStack() as started:  # closed again if a later one fails
        observers = []
        for name in OBSERVERS.names():
            observers.append(_start(name, settings, models, metrics))
            started.callback(observers[-1].close)
        started.pop_all()
    return tuple(observers)


def _start(name: str, settings: Settings, models: ServedModels, metrics: Metrics) -> Observer:
    make = OBSERVERS.load(name)
    where = f"the observer {name!r} of {OBSERVERS.provider(name)}"
    try:
        observer = make(settings, models, metrics)
    except Exception as error:
        raise PluginError(f"{where} cannot be started: {type(error).__name__}: {error}") from error
    lacking = [method for method in METHODS if not callable(getattr(observer, method, None))]
    if lacking:
        raise PluginError(f"{where} has no {' and no '.join(lacking)}")
    return observer
