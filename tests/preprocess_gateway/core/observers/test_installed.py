"""Observers of other distributions beside the project's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preprocess_gateway.core.observers.installed import OBSERVERS, start_observers
from preprocess_gateway.core.served_models import ServedModels
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion import plugins
from speech_emotion.errors import PluginError
from tests.support.plugins import OURS, write_distribution
from tests.support.ports import free_port

WATCH = """
class Watch:
    name = "watch"

    def __init__(self, settings, models, metrics):
        {made}

    def wants(self, answer):
        return False

    def observe(self, seen):
        pass

    def close(self):
        pass
"""
Start = Callable[[str], list[str]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """The names of the observers that start beside one whose module has this text."""

    def start(text: str) -> list[str]:
        module = f"acme_{tmp_path.name}"
        points = {"speech_emotion.observers": {"watch": f"{module}:Watch"}}
        monkeypatch.syspath_prepend(write_distribution(tmp_path / "site", "acme-watch", points, {module: text}))
        plugins.found.cache_clear()
        settings, metrics = Settings(model_server=f"127.0.0.1:{free_port()}"), Metrics()
        models = ServedModels.connect(settings, metrics)
        try:
            return [observer.name for observer in start_observers(settings, models, metrics)]
        finally:
            models.close()

    yield start
    plugins.found.cache_clear()


def test_the_projects_own_observer_is_registered_as_any_other() -> None:
    assert OBSERVERS.names() == ("shadow",)
    assert OBSERVERS.provider("shadow") == OURS


def test_an_observer_that_is_installed_starts_beside_it(start: Start) -> None:
    assert start(WATCH.format(made="pass")) == ["shadow", "watch"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WATCH.format(made="raise ValueError('no key')"), "cannot be started: ValueError: no key"),
        (WATCH.format(made="pass").replace("def close", "def end"), "has no close"),
        (WATCH.format(made="self.wants = self.close = None"), "has no wants and no close"),
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
        ("class Watch: pass", "is not a valid observer: .* has no attribute 'name'"),
        ("class Watch:\n    name = 'look'", "calls itself 'look'"),
        ("Watch = 3", "is not a valid observer: 3"),
    ],
)
def test_one_that_cannot_be_used_ends_the_start_with_the_name_of_its_distribution(
    start: Start, text: str, message: str
) -> None:
    with pytest.raises(PluginError, match=f"the observer 'watch' of acme-watch 1.0.* {message}"):
        start(text)


def test_those_that_started_are_closed_where_a_later_one_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    points = {"speech_emotion.observers": {"calm": "acme_calm:Calm"}}
    text = f"""
from pathlib import Path

class Calm:
    name = "calm"

    def __init__(self, settings, models, metrics):
        self.wants = self.observe = print

    def close(self):
        Path({str(tmp_path / "closed")!r}).touch()
"""
    monkeypatch.syspath_prepend(write_distribution(tmp_path / "calm", "acme-calm", points, {"acme_calm": text}))
    with pytest.raises(PluginError, match="'watch' of acme-watch"):
        start(WATCH.format(made="raise ValueError"))
    assert (tmp_path / "closed").exists()
