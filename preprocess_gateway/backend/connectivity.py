"""Whether the model server can be reached, from gRPC's own connectivity state."""

from __future__ import annotations

import threading
import time

import grpc

POLL_S = 0.25  # gRPC's thread looks every 0.2 s whether anybody still follows; a channel closed before fails in it
GRACE_S = 0.3  # a connection on loopback or inside a cluster takes milliseconds


class Connectivity:
    """Follows a channel. gRPC refuses calls at once only while connecting has failed; while it connects,
    calls wait, and a host that went away without a word makes that seconds."""

    def __init__(self, channel: grpc.Channel, before: Connectivity | None = None) -> None:
        """Until the channel is connected, what was known of the one `before` stays."""
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._away_since: float | None = before._away_since if before else None
        self._failed = False
        self._channel = channel
        channel.subscribe(self._changed)

    def close(self) -> None:
        """Stop following; the channel can be closed then."""
        self._channel.unsubscribe(self._changed)
        time.sleep(POLL_S)

    def away(self) -> bool:
        """Whether there has been no connection for longer than it takes to make one."""
        with self._lock:
            return self._away_since is not None and time.monotonic() - self._away_since > GRACE_S

    def lost(self, for_s: float) -> bool:
        """Whether this channel has had no connection for so long, and has failed: a slow name server is waited for."""
        with self._lock:
            if self._away_since is None or not self._failed:
                return False
            return time.monotonic() - max(self._away_since, self._begun) > for_s

    def _changed(self, state: grpc.ChannelConnectivity) -> None:
        with self._lock:
            if state == grpc.ChannelConnectivity.READY:
                self._away_since, self._failed = None, False
            elif state != grpc.ChannelConnectivity.IDLE and self._away_since is None:
                self._away_since = time.monotonic()
            self._failed |= state == grpc.ChannelConnectivity.TRANSIENT_FAILURE
