"""Why answers fail, in the log: each cause once in a minute, with how often it was held back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry import failures, logs
from preprocess_gateway.telemetry.failures import MAX_CAUSES, OncePerCause, log_failure
from speech_emotion.errors import ContractError


@pytest.fixture
def once() -> Iterator[OncePerCause]:
    """The filter on the logger of failures, as the process configures it."""
    added = OncePerCause()
    failures.log.addFilter(added)
    yield added
    failures.log.removeFilter(added)


def failed(message: str, *notes: str) -> ContractError:
    error = ContractError(message)
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.usefixtures("once")
def test_a_cause_is_written_once_whatever_its_numbers(caplog: pytest.LogCaptureFixture) -> None:
    for number in range(100):
        log_failure("model_contract", failed("refused", f"INTERNAL: node {number} failed after {number / 7} s"))
    log_failure("model_contract", failed("refused", "INTERNAL: another cause"))
    [first, second] = caplog.messages
    assert first == "model_contract: ContractError: refused: INTERNAL: node 0 failed after 0.0 s"
    assert second.endswith("another cause")


@pytest.mark.usefixtures("once")
def test_a_cause_comes_again_after_the_interval_with_how_often_it_was_held_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(failures.time, "monotonic", lambda: now)
    for _ in range(4):
        log_failure("overloaded", failed("full"))
    now += 61
    log_failure("overloaded", failed("full"))
    assert [getattr(record, "repeated", None) for record in caplog.records] == [None, 3]


def test_causes_without_end_take_no_memory_without_end(once: OncePerCause, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MAX_CAUSES + 50):
        log_failure("".join(chr(97 + int(digit)) for digit in str(number)), failed("x" * 5_000))
    assert len(once._passed) == MAX_CAUSES
    assert max(map(len, caplog.messages)) < 1_100


def test_the_process_configures_the_filter() -> None:
    config: dict[str, Any] = logs.config(Settings())
    assert config["loggers"][failures.NAME]["filters"] == ["once"]
    assert config["filters"]["once"]["()"] is OncePerCause
