"""A decoder process: `python -m speech_emotion.audio.worker FD OPTIONS`, started by `pool`.

Reads clips from the socket FD until it is closed. What a clip may take of CPU time and memory is bounded by
the kernel, so that a library's endless loop ends this process, and its crash nothing else.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import socket
import struct
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from speech_emotion.audio import confine, wire
from speech_emotion.audio.blocks import BlockSource
from speech_emotion.audio.content import content_of
from speech_emotion.audio.decode import decode
from speech_emotion.audio.decoder import MINUTE_S
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.source import open_source
from speech_emotion.audio.view import View
from speech_emotion.errors import AudioError, DecoderFailedError


def main() -> None:
    """Serve clips one after the other."""
    sock, options = socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2])
    limits = Limits(**options["limits"])
    log = _own_stderr()
    _load_everything(limits)
    _bound_memory(options["memory_bytes"])
    os.nice(options["niceness"])
    _confine(log)
    while (clip := _next_clip(sock)) is not None:
        cpu = _CpuBudget(options["cpu_s"])
        try:
            answer(sock, *clip, limits, cpu)
        except AudioError as error:
            wire.send(sock, wire.ERROR, wire.pack_error(error))
        except MemoryError:
            _fail(sock, "decoding the clip takes more memory than a clip may take")
        except OSError:
            return  # the gateway is gone
        except Exception:  # noqa: BLE001  # whatever a library raises is about this clip alone
            traceback.print_exc(file=log)
            _fail(sock, "the decoder failed on the clip")
        del clip  # not held while the next one is read


def answer(sock: socket.socket, hints: Hints, clip: bytearray | int, limits: Limits, cpu: _CpuBudget) -> None:
    """Send the header and blocks of a clip, or of a file by its descriptor, as they are decoded. Raises AudioError.

    A reader that takes its time holds up the decoder: the socket holds little more than a block.
    """
    with ExitStack() as stack:
        if isinstance(clip, int):
            stack.callback(os.close, clip)
        data = View.of_descriptor(clip) if isinstance(clip, int) else View.of(clip)
        blocks = BlockSource(open_source(content_of(data, hints), hints, limits, stack), limits)
        wire.send(sock, wire.INFO, wire.pack_info(blocks.info))
        frames = 0
        for block in blocks:
            frames += block.shape[1]
            cpu.grant(frames / blocks.info.sample_rate)
            wire.send(sock, wire.BLOCK, block.T.data.cast("B"))
    wire.send(sock, wire.END, wire.pack_info(blocks.info))


def _next_clip(sock: socket.socket) -> tuple[Hints, bytearray | int] | None:
    try:
        _, length, _ = wire.receive_request(sock)
        hints = wire.unpack_hints(_content(sock, length))
        _, length, descriptor = wire.receive_request(sock)
        return hints, _content(sock, length) if descriptor is None else descriptor
    except (EOFError, OSError):
        return None


def _content(sock: socket.socket, length: int) -> bytearray:
    message = bytearray(length)
    wire.receive_into(sock, memoryview(message), lambda: None)
    return message


def _fail(sock: socket.socket, detail: str) -> None:
    wire.send(sock, wire.ERROR, wire.pack_error(DecoderFailedError(detail)))


def _load_everything(limits: Limits) -> None:
    """Decode what is read and what is refused: whatever a library opens on its first use, it opens now."""
    silence = b".snd" + struct.pack(">IIIII", 24, 1_600, 3, 8_000, 1) + bytes(1_600)
    for data in (silence, silence[:20], b"fLaC"):
        with contextlib.suppress(AudioError):
            decode(data, limits)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send_file(ours, theirs.fileno())
        if received := wire.receive_request(theirs)[2]:
            os.close(received)
    traceback.format_exc()


def _confine(log: TextIO) -> None:
    """Give up everything else. The owner has said so already where that is known to be impossible."""
    try:
        confine.confine()
    except (ImportError, RuntimeError):
        pass
    except OSError as error:
        print(f"this decoder is not confined: {error}", file=log)


def _own_stderr() -> TextIO:
    """Keep stderr for this module: libraries write there about every broken file, and strangers send these."""
    log = os.fdopen(os.dup(2), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    return log


def _bound_memory(more_bytes: int) -> None:
    """Let the address space grow by this much; everything is imported by now. Linux only, elsewhere unbounded."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + more_bytes, now + more_bytes))


class _CpuBudget:
    """Die by SIGXCPU when a clip takes more than so many seconds for each minute; the kernel counts whole seconds."""

    def __init__(self, seconds: int) -> None:
        """The first minute begins."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._begun = math.ceil(usage.ru_utime + usage.ru_stime)
        self._seconds, self._minutes = seconds, 0
        self.grant(0)

    def grant(self, decoded_s: float) -> None:
        """So much is decoded: the next minute may be one that begins."""
        minutes = int(decoded_s // MINUTE_S) + 1
        if minutes > self._minutes:
            self._minutes = minutes
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (self._begun + minutes * self._seconds, hard))


if __name__ == "__main__":
    main()
