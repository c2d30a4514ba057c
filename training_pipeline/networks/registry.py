"""Every model that can be trained, by name: those of the project and of whatever distributions are installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from speech_emotion.plugins import Group
from training_pipeline.errors import UnknownModelError
from training_pipeline.networks.network import Fit, Network

__all__ = ["NETWORKS", "Fit", "Network", "find", "networks"]

NETWORKS = Group[Network](
    "speech_emotion.networks", "network", lambda loaded: isinstance(loaded, Network), lambda network: network.name
)


UNCALIBRATED = "uncalibrated"
"""The trial that every model has: the same fit without those that calibrate it, for another seed's accuracy."""


def networks() -> Iterator[Network]:
    """All of them, by name. Raises PluginError if one cannot be imported."""
    return (NETWORKS.load(name) for name in NETWORKS.names())


def find(name: str, trials: bool = False) -> Network:
    """The network of that name, with `trials` also a trial, `MODEL/uncalibrated` among them.

    Raises UnknownModelError, naming those there are; PluginError if it cannot be imported.
    """
    if name in NETWORKS.names():
        return NETWORKS.load(name)
    model = name.partition("/")[0]
    if trials and model in NETWORKS.names():
        for trial in _trials(NETWORKS.load(model)):
            if trial.name == name:
                return trial
    known, each = [*NETWORKS.names()], ""
    if trials:
        known += [trial.name for network in networks() for trial in network.trials]
        each = f", and MODEL/{UNCALIBRATED} of each model"
    raise UnknownModelError(f"no model {name!r}: there are {', '.join(sorted(known))}{each}")


def _trials(network: Network) -> tuple[Network, ...]:
    return (*network.trials, replace(network, name=f"{network.name}/{UNCALIBRATED}", calibrated=False, trials=()))
