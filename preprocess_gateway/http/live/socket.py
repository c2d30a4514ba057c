"""The socket of a stream: WebSocket frames in and out of a connection that gunicorn accepted, in one thread."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress

from websockets.exceptions import PayloadTooBig
from websockets.frames import OP_CLOSE, OP_TEXT, Close, CloseCode, Frame
from websockets.server import ServerProtocol

from preprocess_gateway.errors import BadFrameError, FrameTooLargeError, SlowReaderError

RECEIVE_BYTES = 32_768
KERNEL_BYTES = 65_536  # of answers that the kernel keeps for a client, who has `unsent_bytes` more
CLOSE_S = 1.0  # for the last bytes to go out, and for the client to close
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset
MAX_REASON_BYTES = 123  # RFC 6455, section 5.5: a control frame has 125 bytes at most, two of which are the code


class ClientGoneError(Exception):
    """The client has closed the stream or broken the connection; `code` is its close code, 1006 without one."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the client has gone: {code}")
        self.code = code


class StreamSocket:
    """Frames of one stream. gunicorn owns the socket, closes it, and must not use it meanwhile."""

    def __init__(self, sock: socket.socket, protocol: ServerProtocol, unsent_bytes: int) -> None:
        """`protocol` is one that has accepted the handshake."""
        self._sock = sock
        self._protocol = protocol
        self._unsent_bytes = unsent_bytes
        self._unsent = bytearray()
        self._poll = select.poll()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        with suppress(OSError):  # not a TCP socket
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self, timeout_s: float) -> tuple[list[Frame], bool]:
        """The frames that are complete, and whether they were waited for; none if `timeout_s` passes before.

        Raises ClientGoneError, FrameTooLargeError, BadFrameError, SlowReaderError.
        """
        waited = not self._wait(0)
        if waited:
            self._wait(timeout_s)
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return [], waited
        except OSError as error:
            raise ClientGoneError(CloseCode.ABNORMAL_CLOSURE) from error
        if not data:
            raise ClientGoneError(CloseCode.ABNORMAL_CLOSURE)
        self._protocol.receive_data(data)
        frames = [frame for frame in self._protocol.events_received() if isinstance(frame, Frame)]
        self._check()
        self._queue(self._protocol.data_to_send())  # pongs
        return frames, waited

    def send(self, text: str) -> None:
        """Send a message, or as much of it as the client takes now. Raises SlowReaderError, ClientGoneError."""
        self._protocol.send_text(text.encode())
        self._queue(self._protocol.data_to_send())

    def end(self, text: str | None, code: int, reason: str) -> None:
        """Send a last message, close with a code and a reason, and wait a little for the client to do so too."""
        reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        self._protocol.data_to_send()  # where it has failed it would close with words of its own, and send nothing more
        if text is not None:
            self._unsent += Frame(OP_TEXT, text.encode()).serialize(mask=False)
        self._unsent += Frame(OP_CLOSE, Close(code, reason).serialize()).serialize(mask=False)
        end = time.monotonic() + CLOSE_S
        with suppress(OSError, ClientGoneError):
            while (left_s := end - time.monotonic()) > 0:
                if not self._wait(left_s):
                    continue
                if not (data := self._sock.recv(RECEIVE_BYTES)):
                    break
                self._protocol.receive_data(data)
                if self._protocol.close_rcvd:
                    break

    def release(self) -> None:
        """Hand the socket back to gunicorn, which closes it; what a client has not read by then is thrown away."""
        with suppress(OSError):
            if self._unsent:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._sock.setblocking(True)

    def _wait(self, timeout_s: float) -> bool:
        """Wait until something arrives, sending meanwhile; whether it did, which an end of the connection is too."""
        if self._unsent:
            self._flush()
        self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        ready = self._poll.poll(max(0.0, 1000 * timeout_s))
        return any(event & ~select.POLLOUT for _, event in ready)

    def _queue(self, pieces: Iterable[bytes]) -> None:
        self._unsent += b"".join(pieces)
        self._flush()
        if len(self._unsent) > self._unsent_bytes:
            raise SlowReaderError(f"the client is {len(self._unsent)} bytes behind with reading its answers")

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError as error:
            raise ClientGoneError(CloseCode.ABNORMAL_CLOSURE) from error

    def _check(self) -> None:
        failed, closed = self._protocol.parser_exc, self._protocol.close_rcvd
        if isinstance(failed, PayloadTooBig):
            raise FrameTooLargeError(f"the message has more than {self._protocol.max_message_size} bytes")
        if failed is not None:
            raise BadFrameError(f"the bytes received are not a WebSocket frame: {failed}")
        if closed is not None:
            self._answer_close()
            raise ClientGoneError(closed.code)

    def _answer_close(self) -> None:
        """Send the close frame that a client waits for; without it the client takes the stream for broken (1006)."""
        self._unsent += b"".join(self._protocol.data_to_send())
        with suppress(ClientGoneError):
            self._flush()
