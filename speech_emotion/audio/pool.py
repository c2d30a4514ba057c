"""A bounded pool of decoder processes: a crash or an endless loop in a native decoder costs one clip."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import confine
from speech_emotion.audio.blocks import BlockSource, gather
from speech_emotion.audio.content import content_of
from speech_emotion.audio.decoder import Deadline, Decoder, DecoderOptions
from speech_emotion.audio.hints import NO_HINTS, Hints
from speech_emotion.audio.plain import open_plain
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import DecoderBusyError

log = logging.getLogger(__name__)


class DecoderPool:
    """Decodes clips for many threads; started and closed by its owner, after a fork."""

    def __init__(
        self,
        size: int,
        options: DecoderOptions,
        on_restart: Callable[[], object] = lambda: None,
        *,
        on_demand: bool = False,
    ) -> None:
        """`on_restart` is called, in any thread, with each process that takes the place of another.

        With `on_demand` a process is started when there is something to decode, and what is in work when the pool is
        closed is broken off.
        """
        self._size = size
        self._options = options
        self._on_restart = on_restart
        self._on_demand = on_demand
        self._decoders: list[Decoder] = []
        # The one used last comes first: its memory is warm.
        self._idle: queue.LifoQueue[Decoder] = queue.LifoQueue()
        self._closing = threading.Lock()

    def start(self) -> Self:
        """Start every process. Raises OSError; no process is left behind then.

        Where they cannot be confined, one line in the log says why.
        """
        if reason := confine.obstacle():
            log.warning("decoder processes are not confined: %s", reason)
        try:
            while len(self._decoders) < self._size:
                decoder = Decoder(self._options, self._on_restart)
                if not self._on_demand:
                    decoder.start()
                self._decoders.append(decoder)
                self._idle.put(decoder)
        except BaseException:
            self.close()
            raise
        return self

    @property
    def pids(self) -> list[int]:
        """The processes that are there now."""
        return [decoder.pid for decoder in self._decoders if decoder.pid]

    def decode(
        self,
        data: bytes,
        deadline: float,
        hints: Hints = NO_HINTS,
    ) -> tuple[npt.NDArray[np.float32], AudioInfo]:
        """As `audio.decode`, before `deadline` (of `time.monotonic`).

        Raises AudioError; DecoderBusyError if no process was free in time; DecoderDeadlineError if one was.
        """
        with self._open(data, hints, deadline, lambda: deadline) as blocks:
            return gather(blocks, self._options.limits)

    @contextmanager
    def open(
        self, source: bytes | BinaryIO, hints: Hints = NO_HINTS, *, wait_s: float, block_s: float
    ) -> Iterator[BlockSource]:
        """As `audio.open_blocks`; at most `wait_s` until a process is free, and `block_s` for it to give a block.

        A reader may take its time between blocks: a decoder is ahead of it by little more than one. Of a file, its
        descriptor goes to the process: open it for reading only. Left before the end, the process is killed at once.

        Raises AudioError; DecoderBusyError if no process was free in time; DecoderDeadlineError if the header or a
        block took too long.
        """
        with self._open(source, hints, time.monotonic() + wait_s, lambda: time.monotonic() + block_s) as blocks:
            yield blocks

    @contextmanager
    def _open(self, source: bytes | BinaryIO, hints: Hints, wait: float, deadline: Deadline) -> Iterator[BlockSource]:
        """16-bit PCM in WAV is read here, by Python's own module; all else in a process of the pool."""
        limits = self._options.limits
        if plain := open_plain(content_of(source, hints), hints, limits):
            yield BlockSource(plain, limits)
            return
        try:
            decoder = self._idle.get(timeout=max(0.0, wait - time.monotonic()))
        except queue.Empty:
            raise DecoderBusyError("every decoder is busy") from None
        try:
            with decoder.open(source, hints, deadline) as decoding:
                yield BlockSource(decoding, limits)
        finally:
            self._idle.put(decoder)

    def close(self) -> None:
        """End every process, once the clips in work are answered; nothing happens where none was started."""
        with self._closing:
            if self._on_demand:
                for decoder in self._decoders:
                    decoder.end()  # whoever reads from it is told, and puts it aside
                self._decoders.clear()
                while not self._idle.empty():
                    self._idle.get().stop()
            while self._decoders:
                decoder = self._idle.get()
                decoder.stop()
                self._decoders.remove(decoder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
