"""Long recordings as blocks of samples: decoded by processes of their own, which stand back for short clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from preprocess_gateway.errors import DeadlineError, OverloadedError
from preprocess_gateway.settings import Settings
from speech_emotion.audio import BlockSource, DecoderPool, Hints
from speech_emotion.errors import DecoderBusyError, DecoderDeadlineError


class RecordingBlocks:
    """As many decoder processes as there may be recordings, each started when there is something to decode."""

    def __init__(self, settings: Settings, on_restart: Callable[[], object]) -> None:
        """Nothing is started yet; `on_restart` is called with each process that takes the place of one that failed."""
        self._settings = settings
        options = settings.recording_decoder_options
        self._pool = DecoderPool(settings.max_recordings, options, on_restart, on_demand=True).start()

    @property
    def pids(self) -> list[int]:
        """The processes that are there now."""
        return self._pool.pids

    @contextmanager
    def open(self, body: bytes | BinaryIO, hints: Hints) -> Iterator[BlockSource]:
        """The blocks of a recording, which lies in memory or in a file; left early, its decoder ends at once.

        Raises AudioError; DeadlineError if the header or a block took too long to decode; OverloadedError.
        """
        block_s = self._settings.recording_block_s
        try:
            with self._pool.open(body, hints, wait_s=block_s, block_s=block_s) as blocks:
                yield blocks
        except DecoderBusyError as error:
            raise OverloadedError(str(error), reason="decoders") from error
        except DecoderDeadlineError as error:
            raise DeadlineError("the decoder took too long for a part of the recording") from error

    def close(self) -> None:
        """End every process, whatever it decodes."""
        self._pool.close()
