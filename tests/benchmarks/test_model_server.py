from __future__ import annotations

from benchmarks.model_server import _calls, _load, _serving, _window
from benchmarks.results import Spread
from benchmarks.services import MODELS
from benchmarks.suite import BENCHMARKS
from model_server.servable import Servable, SessionOptions


def test_a_call_is_compared_with_its_parts() -> None:
    row, ratio = _calls("model_server", "ann", turns=2)
    parts = [row[name] for name in ("bare signature, ms", "empty round trip, ms")]
    whole = row["Predict, ms"]
    assert isinstance(whole, Spread)
    total = sum(part.median for part in parts if isinstance(part, Spread))
    assert ratio == whole.median / total
    assert isinstance(row["private MB"], int)
    assert row["private MB"] > 0


def test_every_client_of_a_load_is_answered_and_the_servers_time_is_counted() -> None:
    window = _window(Servable("model", 1, MODELS["ann"], SessionOptions()))
    with _serving("model_server", "ann", batching=True) as started:
        answers, seconds, used = _load(started, window, clients=4, seconds=0.3)
    assert answers >= 4
    assert 0 < used <= 64 * seconds


def test_the_benchmark_has_the_name_that_the_page_shows() -> None:
    assert BENCHMARKS["model_server"].module == "benchmarks.model_server"
