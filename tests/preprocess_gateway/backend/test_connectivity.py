"""What is known of the connection while one channel takes the place of another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from grpc import ChannelConnectivity

from preprocess_gateway.backend import connectivity
from preprocess_gateway.backend.connectivity import Connectivity


class Channel:
    """A channel whose states a test tells, in any order; gRPC tells them in threads."""

    tell: Callable[[ChannelConnectivity], None]

    def subscribe(self, callback: Callable[[ChannelConnectivity], None]) -> None:
        self.tell = callback


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity, "GRACE_S", -1)


def test_what_a_channel_tells_late_is_not_believed_of_the_next_one() -> None:
    lost, found = Channel(), Channel()
    before = Connectivity(lost)  # type: ignore[arg-type]
    lost.tell(ChannelConnectivity.TRANSIENT_FAILURE)
    after = Connectivity(found, before)  # type: ignore[arg-type]
    assert after.away()  # as far as is known
    found.tell(ChannelConnectivity.READY)
    lost.tell(ChannelConnectivity.CONNECTING)  # from a thread that was late
    assert not after.away()


def test_a_channel_is_lost_once_it_has_failed_and_not_while_it_still_connects() -> None:
    lost, next_one = Channel(), Channel()
    before = Connectivity(lost)  # type: ignore[arg-type]
    lost.tell(ChannelConnectivity.CONNECTING)
    assert not before.lost(-1)
    lost.tell(ChannelConnectivity.TRANSIENT_FAILURE)
    lost.tell(ChannelConnectivity.CONNECTING)
    assert before.lost(-1)
    after = Connectivity(next_one, before)  # type: ignore[arg-type]
    next_one.tell(ChannelConnectivity.CONNECTING)
    assert (after.away(), after.lost(-1)) == (True, False)
    next_one.tell(ChannelConnectivity.TRANSIENT_FAILURE)
    assert after.lost(-1)
    assert not after.lost(60)
    next_one.tell(ChannelConnectivity.READY)
    assert (after.away(), after.lost(-1)) == (False, False)
