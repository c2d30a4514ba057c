"""Whether the model server can be reached, from gRPC's own connectivity state."""

from __future__ import annotations

import threading
import time

import grpc

POLL_S = 0.25  # gRPC's thread looks every 0.2 s whether anybody still follows; a channel closed before fails in it
GRACE_S = 0.3  # a connection on loopback or inside a cluster takes milliseconds


class Connectivity:
    """Follows a channel, and those that take its place. gRPC refuses calls at once only while connecting has failed;
    while it connects, calls wait, and a host that went away without a word makes that seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away_since: float | None = None

    def follow(self, channel: grpc.Channel) -> None:
        """Begin to follow a channel. Until it is connected, what was known before stays."""
        channel.subscribe(self._changed)

    def leave(self, channel: grpc.Channel) -> None:
        """Stop following a channel, which can be closed then."""
        channel.unsubscribe(self._changed)
        time.sleep(POLL_S)

    def away(self, longer_than_s: float = GRACE_S) -> bool:
        """Whether there has been no connection for longer than this; by default, than it takes to make one."""
        with self._lock:
            return self._away_since is not None and time.monotonic() - self._away_since > longer_than_s

    def _changed(self, state: grpc.ChannelConnectivity) -> None:
        with self._lock:
            if state == grpc.ChannelConnectivity.READY:
                self._away_since = None
            elif state != grpc.ChannelConnectivity.IDLE and self._away_since is None:
                self._away_since = time.monotonic()
