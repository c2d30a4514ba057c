"""Every gRPC call that was recorded gets the same answer, code and message from both servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model_server.recorded import NO_RECORDINGS, assert_answered_as_recorded, recorded_calls
from tests.support.model_server import ModelServer

CALLS = recorded_calls("grpc.json")

pytestmark = pytest.mark.skipif(not CALLS, reason=NO_RECORDINGS)


@pytest.mark.parametrize("recorded", CALLS, ids=[f"{each['rpc']}: {each['case']}" for each in CALLS])
def test_call_is_answered_as_recorded(demo: ModelServer, recorded: dict[str, Any]) -> None:
    assert_answered_as_recorded(demo, recorded)
