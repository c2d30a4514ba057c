"""Bodies of requests, received from a socket in the pieces that are asked for, or skipped."""

from __future__ import annotations

import io
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
PAUSE_S: Final = 0.005
"""Seconds without a byte after which a sender counts as slow."""
AT_ONCE_S: Final = 0.1
"""Seconds that a whole body may take before its sender counts as slow."""
SKIP_PIECES: Final = 4
"""Maximum number of pieces of 1 MB that are skipped before other connections have their turn."""
_SKIPPED = bytearray(2**20)  # what is skipped, and never read; for MSG_TRUNC, Linux does not even write it here


class ReadAhead(Protocol):
    """Bytes that gunicorn read together with a request's headers, and keeps."""

    def take_buffered(self) -> bytes:
        """Return these bytes and keep none of them."""

    def unread(self, data: bytes, /) -> None:
        """Put bytes back in front."""


class DeclaredBody(io.RawIOBase):
    """A body of declared length.

    gunicorn's own reader receives 8,192 bytes at a time, hands over 1,024, and copies each byte several times.
    """

    def __init__(self, sock: socket.socket, ahead: ReadAhead, length: int, *, expects_continue: bool = False) -> None:
        """`expects_continue`: the client waits for "100 Continue" before it sends the body."""
        super().__init__()
        self.left = length
        """Number of bytes that have not been read yet."""
        self.skipped_until = 0.0
        """The time (`time.monotonic`) until which they are skipped. Whoever answers before they are read sets it."""
        self.on_slow: Callable[[], None] | None = None
        """Called once when the sender turns out to be slow."""
        self._sock = sock
        self._ahead = ahead
        self._expects_continue = expects_continue
        self._begun = 0.0

    @property
    def is_last(self) -> bool:
        """Whether no request can follow: the client was not asked for the body, so that it may or may not send it."""
        return self._expects_continue and self.left > 0

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes that have arrived; waits for at least one. Empty at the end, or if the client left."""
        if size < 0:
            return self.readall()
        if not (size := min(size, self.left)):
            return b""
        if self._expects_continue:
            self._expects_continue = False
            self._sock.sendall(CONTINUE)
        if piece := self._ahead.take_buffered():
            piece, rest = piece[:size], piece[size:]
            if rest:
                self._ahead.unread(rest)
        else:
            piece = self._receive(size)
        self.left -= len(piece)
        return piece

    def skip(self) -> bool:
        """Throw away what has arrived, up to `SKIP_PIECES`, without waiting; returns whether that was the rest.

        Raises EOFError if nothing more can come.
        """
        if self.left and (ahead := self._ahead.take_buffered()):
            self._ahead.unread(ahead[self.left :])
            self.left -= min(self.left, len(ahead))
        with suppress(BlockingIOError):
            for _ in range(SKIP_PIECES):
                if not self.left:
                    break
                most = min(self.left, len(_SKIPPED))
                if not (skipped := self._sock.recv_into(_SKIPPED, most, socket.MSG_DONTWAIT | socket.MSG_TRUNC)):
                    raise EOFError
                self.left -= skipped
        return not self.left

    def _receive(self, size: int) -> bytes:
        if self.on_slow:
            with suppress(BlockingIOError):
                return self._sock.recv(size, socket.MSG_DONTWAIT)
            self._begun = self._begun or time.monotonic()
            if not self._arrives(min(PAUSE_S, self._begun + AT_ONCE_S - time.monotonic())):
                on_slow, self.on_slow = self.on_slow, None
                on_slow()
        return self._sock.recv(size)

    def _arrives(self, within_s: float) -> bool:
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        return within_s > 0 and bool(poller.poll(1000 * within_s))


class ChunkedBody(io.RawIOBase):
    """A body in chunks, in the pieces that are asked for."""

    def __init__(self, sock: socket.socket, take: Callable[[int], bytes], *, expects_continue: bool = False) -> None:
        """`take` is the read of gunicorn's own reader of chunks."""
        super().__init__()
        self._sock = sock
        self._take = take
        self._expects_continue = expects_continue
        self._malformed = False

    @property
    def is_last(self) -> bool:
        """Whether no request can follow: as with `DeclaredBody`, or because the end of malformed chunks is unknown."""
        return self._expects_continue or self._malformed

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, or what is left. Raises OSError for chunks that are malformed or end early."""
        if size < 0:
            return self.readall()
        if self._expects_continue:
            self._expects_continue = False
            self._sock.sendall(CONTINUE)
        try:
            return self._take(size)
        except OSError:
            self._malformed = True  # gunicorn's reader reports it once, and then says that the body is over
            raise
