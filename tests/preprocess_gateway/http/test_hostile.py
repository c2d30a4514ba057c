"""Hostile files against a real gunicorn: the right code, never a 5xx, and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.support import clips, hostile
from tests.support.gateway import Gateway
from tests.support.memory import Peak, family
from tests.support.model_server import ModelServer

MOST_MEMORY_BYTES = 200 * 1024 * 1024


class Measured(NamedTuple):
    gateway: Gateway
    peak: Peak


@pytest.fixture(scope="module")
def measured(model_server: ModelServer) -> Iterator[Measured]:
    """A gateway of default limits that has answered before, with time for a loaded machine."""
    with Gateway(model_server.address, deadline_s=60) as running:
        for clip in (clips.tone(), clips.tone(format="FLAC")):
            assert running.predict(clip).status_code == 200
        assert running.process
        _arbiter, worker, *_decoders = family(running.process.pid)
        yield Measured(running, Peak(worker))


@pytest.mark.parametrize("name", hostile.files())
def test_a_hostile_file_gets_its_code_within_bounded_memory(
    measured: Measured, name: str, record_property: Callable[[str, object], None]
) -> None:
    data, code = hostile.files()[name]
    measured.peak.reset()
    response = measured.gateway.predict(data)
    above = measured.peak.above_idle_bytes()
    record_property("peak_above_idle_mb", above // 2**20)
    print(f"{name}: {above / 2**20:.0f} MB above idle")
    if code == "ok":
        assert response.status_code == 200, response.text
    else:
        assert 400 <= response.status_code < 500, response.text
        assert response.json()["code"] == code
    assert above < MOST_MEMORY_BYTES
