"""The decoder process with faults: a clip whose bytes end in a word crashes, spins, hangs, hoards or raises.

Some words count from the second block on.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import ExitStack

from speech_emotion.audio import Hints, Limits, worker
from speech_emotion.audio.content import Content
from speech_emotion.audio.source import Source, open_source
from speech_emotion.audio.track import Block


def faulty(content: Content, hints: Hints, limits: Limits, stack: ExitStack) -> Source:
    data = content.data[max(0, len(content.data) - 8) :]
    if data.endswith(b"CRASH"):
        ctypes.string_at(0)
    while data.endswith(b"SPIN"):
        pass
    if data.endswith(b"HANG"):
        time.sleep(3600)
    if data.endswith(b"HOARD"):
        bytearray(2**30)
    if data.endswith(b"RAISE"):
        raise RuntimeError("a bug")
    source = open_source(content, hints, limits, stack)
    source.blocks = then(source.blocks, data)
    return source


def then(blocks: Iterator[Block], data: bytes) -> Iterator[Block]:
    """The first block, and the fault."""
    for block in blocks:
        yield block
        if data.endswith(b"STALL"):
            time.sleep(3600)
        if data.endswith(b"BREAK"):
            ctypes.string_at(0)


if __name__ == "__main__":
    worker.open_source = faulty  # type: ignore[attr-defined]
    worker.main()
