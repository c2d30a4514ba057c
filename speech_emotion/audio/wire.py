"""What a decoder process and its gateway say to each other: a kind, a length, that many bytes. Nothing is pickled.

A clip goes in as HINTS and CLIP, or as HINTS and FILE: an open file's descriptor, from which alone the other side can
read it. INFO, BLOCKs and END come back, or ERROR at any point.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from speech_emotion import errors
from speech_emotion.audio.hints import Hints, Raw
from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.probe import AudioInfo

HINTS, CLIP, FILE, INFO, BLOCK, END, ERROR = b"H", b"C", b"F", b"I", b"B", b"E", b"X"
MAX_JSON_BYTES = 64 * 1024
_HEADER = struct.Struct("!cI")


def send(sock: socket.socket, kind: bytes, payload: bytes | memoryview = b"") -> None:
    """One message. Raises OSError if the other side has closed the connection, TimeoutError if it does not read."""
    sock.sendall(_HEADER.pack(kind, len(payload)))
    sock.sendall(payload)


def send_file(sock: socket.socket, descriptor: int) -> None:
    """The message FILE. Raises as `send`."""
    socket.send_fds(sock, [_HEADER.pack(FILE, 0)], [descriptor])


def receive_request(sock: socket.socket) -> tuple[bytes, int, int | None]:
    """Kind and length of the next message, and the descriptor that came with it, which is the caller's to close.

    Raises EOFError or OSError.
    """
    header, descriptor = b"", None
    while len(header) < _HEADER.size:
        piece, received, _, _ = socket.recv_fds(sock, _HEADER.size - len(header), 1)
        if not piece:
            raise EOFError("the other side has closed the connection")
        header += piece
        descriptor = received[0] if received else descriptor
    kind, length = _HEADER.unpack(header)
    return kind, length, descriptor


def receive_header(sock: socket.socket, wait: Callable[[], None]) -> tuple[bytes, int]:
    """Kind and length of the next message. Raises EOFError, OSError or TimeoutError."""
    header = bytearray(_HEADER.size)
    receive_into(sock, memoryview(header), wait)
    kind, length = _HEADER.unpack(header)
    return kind, length


def receive_into(sock: socket.socket, view: memoryview, wait: Callable[[], None]) -> None:
    """Fill `view`; `wait` is called before each read and may set the socket's timeout. Raises as `receive_header`."""
    while view:
        wait()
        count = sock.recv_into(view)
        if not count:
            raise EOFError("the other side has closed the connection")
        view = view[count:]


def pack_hints(hints: Hints) -> bytes:
    """Hints as JSON."""
    raw = hints.raw and [hints.raw.kind.name, hints.raw.sample_rate, hints.raw.channels]
    return json.dumps({"track": hints.track, "raw": raw}).encode()


def unpack_hints(payload: bytes | bytearray) -> Hints:
    """The reverse of `pack_hints`."""
    said = json.loads(payload)
    raw = said["raw"] and Raw(Kind[said["raw"][0]], *said["raw"][1:])
    return Hints(said["track"], raw)


def pack_info(info: AudioInfo) -> bytes:
    """A header as JSON."""
    return json.dumps(asdict(info)).encode()


def unpack_info(payload: bytes) -> AudioInfo:
    """The reverse of `pack_info`. Raises ValueError, TypeError or KeyError."""
    said = json.loads(payload)
    numbers = (int(said["sample_rate"]), int(said["channels"]), int(said["frames"]))
    if min(numbers[:2]) < 1 or numbers[2] < 0:
        raise ValueError("a header without rate or channels")
    return AudioInfo(str(said["format"]), str(said["subtype"]), *numbers, damaged=bool(said["damaged"]))


def pack_error(error: errors.AudioError) -> bytes:
    """An error as JSON."""
    said: dict[str, Any] = {"code": error.code, "detail": str(error)}
    if isinstance(error, errors.LimitError):
        said["bounds"] = {"limit": error.limit, "value": error.value, "allowed": error.allowed}
    return json.dumps(said).encode()


def unpack_error(payload: bytes) -> errors.AudioError:
    """The reverse of `pack_error`. Raises ValueError, TypeError or KeyError."""
    said = json.loads(payload)
    return _by_code(errors.AudioError)[said["code"]](str(said["detail"]), **said.get("bounds", {}))


def _by_code(kind: type[errors.AudioError]) -> dict[str, Callable[..., errors.AudioError]]:
    found: dict[str, Callable[..., errors.AudioError]] = {kind.code: kind}
    for child in kind.__subclasses__():
        found |= _by_code(child)
    return found
