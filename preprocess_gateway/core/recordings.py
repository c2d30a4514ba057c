"""A long recording, from its bytes to its windows and its summary, as it is heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.answer import Audio, LongWindow, Model
from preprocess_gateway.core.lane import Lanes
from preprocess_gateway.core.recording_blocks import RecordingBlocks
from preprocess_gateway.core.records import record
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.core.summary import RecordingAnswer, Segment, Summary
from preprocess_gateway.core.windows import STEP_S, AnsweredWindow, Asking, WindowAnswers
from preprocess_gateway.errors import VersionChangedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio.blocks import BlockSource, open_blocks
from speech_emotion.audio.quality import QualityWarning

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """How far a recording is heard, and how long it is as its header says (None: it does not say), in seconds."""

    heard_s: float
    duration_s: float | None


@dataclass(frozen=True)
class EndedSegment:
    """A segment, once it is over; none that starts before `open_since_s` comes after it."""

    segment: Segment
    open_since_s: float


Event: TypeAlias = Progress | LongWindow | EndedSegment | RecordingAnswer
"""What is said of a recording: a window as it is answered, a segment as it ends, the answer for the whole at last."""


class Recordings:
    """Answers long recordings; each is for one thread at a time, and several are answered at once."""

    def __init__(self, settings: Settings, lanes: Lanes, metrics: Metrics, decoders: RecordingBlocks | None) -> None:
        """Without `decoders` recordings are decoded in this process."""
        self._settings = settings
        self._lanes = lanes
        self._metrics = metrics
        self._decoders = decoders

    def answer(self, model: ServedModel, source: bytes | BinaryIO, asking: Asking) -> Iterator[Event]:
        """What is said of the audio file `source`; nothing before its first block is decoded.

        The version is chosen once. If it fails before a window is answered, and another one has taken its place, the
        recording is heard anew for that one. What stays open is closed with the iterator.

        Raises AudioError, ContractError, and a GatewayError for capacity, dependency or time, after the events so far.
        """
        heard = self._hear(model, asking)
        try:
            yield from heard.events(source)
        except VersionChangedError:
            if heard.windows is None or heard.windows.successor is None or heard.answered:
                raise
            yield from self._hear(model, asking, heard.windows.successor).events(source)

    def _hear(self, model: ServedModel, asking: Asking, version: ServedVersion | None = None) -> _Recording:
        return _Recording(self._settings, self._lanes, self._metrics, self._decoders, model, asking, version)


@dataclass
class _Recording:
    """One recording on its way; `version` in place of the one that is the client's."""

    settings: Settings
    lanes: Lanes
    metrics: Metrics
    decoders: RecordingBlocks | None
    model: ServedModel
    asking: Asking
    version: ServedVersion | None
    windows: WindowAnswers | None = None
    answered: int = 0

    def events(self, source: bytes | BinaryIO) -> Iterator[Event]:
        with self._open(source) as blocks:
            info = blocks.info
            self.settings.recording_limits.check_length(
                info.frames, info
            )  # what a header promises is heard for an hour before it is not
            windows = self.windows = WindowAnswers(
                self.model, self.lanes, self.settings, self.metrics, info.sample_rate, info.channels, self.asking,
                self.version,
            )  # fmt: skip
            separate, top = self.asking.options.channels == "separate", self.asking.options.top
            emotions = windows.emotions
            summary = Summary(emotions, top, self.settings.min_confidence, info.channels if separate else None)

            def ended(segments: list[Segment]) -> Iterator[Event]:
                return (EndedSegment(segment, summary.open_since()) for segment in segments)

            def said(answered: list[AnsweredWindow]) -> Iterator[Event]:
                self.answered += len(answered)
                self.metrics.recording_windows.inc(len(answered))
                for window in answered:
                    yield window.describe(emotions, top, self.settings.min_confidence)
                    yield from ended(summary.add(window))

            try:
                for block in _steps(blocks, info.sample_rate):
                    yield from said(windows.feed(block))
                    self.metrics.recording_audio_seconds.inc(block.shape[1] / info.sample_rate)
                    yield Progress(windows.heard_s, info.frames / info.sample_rate if info.frames else None)
                yield from said(windows.end())
            except Exception:
                yield from ended(summary.end())  # what was answered stays valid
                raise
            yield from ended(summary.end())
            answer = self._sum_up(windows, summary, blocks)
        record(answer, self.metrics)
        yield answer

    def _open(self, source: bytes | BinaryIO) -> AbstractContextManager[BlockSource]:
        hints = self.asking.options.hints
        if self.decoders is None:
            return open_blocks(source, self.settings.recording_limits, hints)
        return self.decoders.open(source, hints)

    def _sum_up(self, windows: WindowAnswers, summary: Summary, blocks: BlockSource) -> RecordingAnswer:
        version, info = windows.version, blocks.info
        damaged: tuple[QualityWarning, ...] = ("damaged",) if blocks.damaged else ()
        return summary.answer(
            [warned + damaged for warned in windows.warnings],
            Model(name=self.model.name, version=version.version, label=version.label),
            Audio(duration_s=info.duration_s, sample_rate=info.sample_rate, channels=info.channels, format=info.format),
        )


def _steps(blocks: Iterable[Array], sample_rate: int) -> Iterator[Array]:
    """The samples of `blocks` in blocks of about a second, as a container may have very small ones."""
    held: list[Array] = []
    for block in blocks:
        held.append(block)
        if sum(each.shape[1] for each in held) >= STEP_S * sample_rate:
            yield np.concatenate(held, axis=1) if len(held) > 1 else held[0]
            held = []
    if held:
        yield np.concatenate(held, axis=1)
