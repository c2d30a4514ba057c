"""Every call that was recorded with batching gets the same answer, code and message from both servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.model_server.recorded import (
    NO_RECORDINGS,
    assert_answered_as_recorded,
    recorded_calls,
    recorded_server,
)
from tests.support.model_server import ModelServer

CALLS = recorded_calls("grpc_batching.json")

pytestmark = pytest.mark.skipif(not CALLS, reason=NO_RECORDINGS)


@pytest.fixture(scope="module")
def batching(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """The models and the configuration of the recordings, with the parameters under which these calls were recorded."""
    folder = tmp_path_factory.mktemp("batching")
    (folder / "batching").write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 2000 }")
    flags = ("--enable_batching=true", f"--batching_parameters_file={folder / 'batching'}")
    with recorded_server(folder, *flags, binary=binary) as server:
        yield server


@pytest.mark.parametrize("recorded", CALLS, ids=[f"{each['rpc']}: {each['case']}" for each in CALLS])
def test_call_is_answered_as_recorded(batching: ModelServer, recorded: dict[str, Any]) -> None:
    assert_answered_as_recorded(batching, recorded)
