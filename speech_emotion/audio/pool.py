"""A bounded pool of decoder processes: a crash or an endless loop in a native decoder costs one clip."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Self

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import confine
from speech_emotion.audio.content import content_of
from speech_emotion.audio.decoder import Decoder, DecoderOptions
from speech_emotion.audio.hints import NO_HINTS, Hints
from speech_emotion.audio.plain import decode_plain
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import DecoderBusyError

log = logging.getLogger(__name__)


class DecoderPool:
    """Decodes clips for many threads; started and closed by its owner, after a fork."""

    def __init__(self, size: int, options: DecoderOptions, on_restart: Callable[[], object] = lambda: None) -> None:
        """`on_restart` is called, in any thread, with each process that takes the place of another."""
        self._size = size
        self._options = options
        self._on_restart = on_restart
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

        16-bit PCM in WAV is read here, by Python's own module; all else in a process of the pool.
        Raises AudioError; DecoderBusyError if no process was free in time; DecoderDeadlineError if one was.
        """
        content = content_of(data, hints)
        if plain := decode_plain(content, hints, self._options.limits):
            return plain
        try:
            decoder = self._idle.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise DecoderBusyError("every decoder is at work") from None
        try:
            return decoder.decode(data, hints, deadline)
        finally:
            self._idle.put(decoder)

    def close(self) -> None:
        """End every process, once the clips in work are answered; nothing happens where none was started."""
        with self._closing:
            while self._decoders:
                decoder = self._idle.get()
                decoder.stop()
                self._decoders.remove(decoder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
