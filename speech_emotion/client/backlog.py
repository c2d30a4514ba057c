"""The sound of a live stream that a connection has not got yet, or that a new one may need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

PIECE_BYTES: Final = 32_768
"""Bytes of samples in one message."""
STEP_S: Final = 0.25
"""Seconds of sound that are sent at once where more would be too far ahead."""
KEPT_S: Final = 120.0
"""Seconds of sound that was sent and is kept at most."""


class Backlog:
    """Samples of one stream in order; one thread adds and takes at a time, while another may say what is answered.

    Times are in seconds from the stream's first sample, places in bytes.
    """

    def __init__(self, sample_rate: int, frame_bytes: int) -> None:
        self._rate = sample_rate
        self._frame_bytes = frame_bytes
        self._data = bytearray()
        self._begin = 0  # where what is kept begins
        self._needed = 0  # where a new connection may have to begin
        self._opened = 0  # where this one began
        self._sent = 0

    @property
    def end_s(self) -> float:
        """How long the sound is that came so far."""
        return self._end / self._frame_bytes / self._rate

    @property
    def waits(self) -> bool:
        """Whether something is to be sent."""
        return self._sent < self._end

    def add(self, data: bytes) -> None:
        """Take samples, the end of which may lie within one. Forgets what is not needed, or was sent long ago."""
        self._data += data
        oldest = min(self._sent, self._place(self.end_s - KEPT_S))
        if (gone := max(self._needed, oldest) - self._begin) > 0:
            del self._data[:gone]
            self._begin += gone

    def answered(self, until_s: float) -> None:
        """No new connection needs anything before this time."""
        self._needed = max(self._needed, min(self._place(until_s), self._sent))

    def rewind(self, to_s: float) -> float:
        """Begin a connection at a time, or where what is kept begins; returns the time."""
        last = self._end - self._end % self._frame_bytes
        self._opened = self._sent = max(self._begin, min(self._place(to_s), last))
        return self._opened / self._frame_bytes / self._rate

    def take(self, ahead_s: float) -> Iterator[bytes]:
        """Messages with what is to be sent, of the first seconds of this connection."""
        until = min(self._end, self._place(ahead_s) + self._opened)
        while (begin := self._sent) < until:
            self._sent = min(begin + PIECE_BYTES, until)
            yield bytes(self._data[begin - self._begin : self._sent - self._begin])

    def wait_s(self, ahead_s: float) -> float:
        """Seconds until more than the first seconds of this connection may be sent; 0 if nothing waits."""
        if not self.waits:
            return 0.0
        next_s = (self._sent - self._opened) / self._frame_bytes / self._rate + STEP_S
        return max(0.01, min(next_s, (self._end - self._opened) / self._frame_bytes / self._rate) - ahead_s)

    @property
    def _end(self) -> int:
        return self._begin + len(self._data)

    def _place(self, at_s: float) -> int:
        return max(0, round(at_s * self._rate)) * self._frame_bytes
