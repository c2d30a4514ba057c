"""Blocks of samples in, answered windows out: what recordings and live streams have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import Metadata, RequestContext
from preprocess_gateway.core.among import Among
from preprocess_gateway.core.answer import LongWindow, PredictOptions, verdict
from preprocess_gateway.core.attempts import asked_again, with_fallback
from preprocess_gateway.core.lane import Lanes
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, OverloadedError, VersionChangedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio.quality import QualityWarning
from speech_emotion.hearing import HeardWindow, Listener, with_stride

Array = npt.NDArray[np.float32]
STEP_S = 1.0
"""Seconds of audio that one step of the lane hears at most."""
RETRY_PAUSE_S = 0.5
"""Between two calls to a model server that is away or full."""


@dataclass(frozen=True)
class AnsweredWindow:
    """A window and what the model says of it.

    `channel` counted from 1, None of the mixture; `start_s` and `end_s` in seconds from the first sample; `row`
    float32 `[emotions]`, None without speech.
    """

    channel: int | None
    start_s: float
    end_s: float
    row: Array | None

    def describe(self, emotions: tuple[str, ...], top: int | None, min_confidence: float) -> LongWindow:
        """The window as clients get it, with its `top` most probable emotions (None: all, in the model's order)."""
        said = verdict(self.row, emotions, top)
        confidence = said["confidence"]
        channel = {} if self.channel is None else {"channel": self.channel}
        return LongWindow(
            **channel,
            start_s=self.start_s,
            end_s=self.end_s,
            **said,
            uncertain=confidence is not None and confidence < min_confidence,
        )


@dataclass(frozen=True)
class Asking:
    """Who asks and how, for as long as a recording or a stream lasts.

    `options`: of which `channels`, `emotions` and `top` count. `stride_s`: seconds between windows, None: the model's.
    `metadata` goes with each call to the model server. `live`: goes first in the lane, and windows are asked about as
    soon as they are complete; else in batches. Once `stopped` is set, nothing is asked a second time.
    """

    options: PredictOptions = field(default_factory=PredictOptions)
    stride_s: float | None = None
    affinity_key: str = ""
    metadata: Metadata = ()
    live: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)


class WindowAnswers:
    """Answers the windows of one recording or stream, for one thread at a time.

    The version is chosen once and kept. Where it goes, or fails as a canary, the windows that follow are answered by
    what takes its place, provided that it hears alike (the same fingerprint) and tells the same emotions apart.
    """

    def __init__(
        self,
        model: ServedModel,
        lanes: Lanes,
        settings: Settings,
        metrics: Metrics,
        sample_rate: int,
        channels: int,
        asking: Asking,
        version: ServedVersion | None = None,
    ) -> None:
        """Of samples with `sample_rate` Hz and `channels`; `version` answers, without one that of the client.

        Raises ModelUnavailableError while the model has no version, BadQueryError for an emotion that it does not know,
        StrideError for an impossible stride.
        """
        self.version = version or model.choose(asking.affinity_key)
        """The version that answers now."""
        self.successor: ServedVersion | None = None
        """The version that has taken over with other features or emotions; None until then."""
        self._among = Among.of(asking.options.emotions, self.version.description.emotions)
        spec = self.version.description.spec
        if asking.stride_s is not None:
            spec = with_stride(spec, asking.stride_s)
        self._lanes = lanes
        self._settings = settings
        self._asking = asking
        self._metrics = metrics
        self._model = model
        self._sample_rate = sample_rate
        self._separate = asking.options.channels == "separate"
        self._listeners = [
            Listener(sample_rate, 1 if self._separate else channels, spec, settings.quality_limits)
            for _ in range(channels if self._separate else 1)
        ]
        self._unasked: list[tuple[int, HeardWindow]] = []
        self._spoken = 0  # of them, those that the model is asked about

    @property
    def emotions(self) -> tuple[str, ...]:
        """What the answers are among, in the order of their rows."""
        return self._among.emotions

    @property
    def heard_s(self) -> float:
        """Seconds heard so far."""
        return self._listeners[0].heard_s

    @property
    def warnings(self) -> tuple[tuple[QualityWarning, ...], ...]:
        """Warnings about what was heard so far: of the mixture, or of each channel."""
        return tuple(listener.warnings for listener in self._listeners)

    def feed(self, block: Array) -> list[AnsweredWindow]:
        """Hear a block, float32 `[channels, samples]` of any length; the windows that are answered now, in order.

        Raises VersionChangedError, and what `ServedModel.ask` does once the time of a window has run out.
        """
        answered: list[AnsweredWindow] = []
        size = max(1, round(STEP_S * self._sample_rate))
        for start in range(0, block.shape[1], size):
            piece = block[:, start : start + size]
            with self._lanes.hearing.step(live=self._asking.live):
                heard = [
                    listener.hear(part) for listener, part in zip(self._listeners, self._parts(piece), strict=True)
                ]
            answered += self._take(heard)
        return answered

    def end(self) -> list[AnsweredWindow]:
        """The windows that are left. Raises what `feed` does, and EmptyAudioError if there were no samples."""
        with self._lanes.hearing.step(live=self._asking.live):
            heard = [listener.end() for listener in self._listeners]
        return [*self._take(heard), *self._ask()]

    def _parts(self, piece: Array) -> Iterator[Array]:
        if not self._separate:
            yield piece
            return
        for channel in range(len(piece)):
            yield piece[channel : channel + 1]

    def _take(self, heard: list[list[HeardWindow]]) -> list[AnsweredWindow]:
        found = [(channel, window) for channel, windows in enumerate(heard, 1) for window in windows]
        self._unasked += sorted(found, key=lambda each: (each[1].start_s, each[0]))
        self._spoken += sum(window.features is not None for _, window in found)
        asks = self._asking.live or not self._spoken or self._spoken >= self._settings.lane_batch
        return self._ask() if asks else []

    def _ask(self) -> list[AnsweredWindow]:
        """Answer the windows that are complete, all at once."""
        unasked, self._unasked, self._spoken = self._unasked, [], 0
        spoken = [window.features for _, window in unasked if window.features is not None]
        rows = iter(self._among(self._rows(np.stack(spoken))) if spoken else ())
        return [
            AnsweredWindow(
                channel if self._separate else None,
                window.start_s,
                window.end_s,
                None if window.features is None else next(rows),
            )
            for channel, window in unasked
        ]

    def _rows(self, features: Array) -> Array:
        """In calls of several windows; beside short requests of one each, which such a call would delay."""
        asking, rows = self._asking, list[Array]()
        deadline = time.monotonic() + self._settings.window_deadline_s
        context = RequestContext(deadline, asking.affinity_key, asking.metadata)
        while features.size:
            size = 1 if self._lanes.asking.contended and not asking.live else self._settings.lane_batch
            rows.append(self._ask_patiently(features[:size], context))
            features = features[size:]
        return np.concatenate(rows)

    def _ask_patiently(self, features: Array, context: RequestContext) -> Array:
        """Ask, and ask again while the model server is away or full, for as long as windows may take."""

        def steps(version: ServedVersion, context: RequestContext) -> tuple[ServedVersion, Array]:
            if not hears_alike(version, self.version):
                self.successor = version
                raise VersionChangedError("another version has taken over, and its features or emotions differ")
            if self._asking.live:
                return version, self._lanes.together.ask(self._model, features, version, context)
            with self._lanes.asking.step():
                return version, self._model.ask(features, version, context)

        attempt = with_fallback(asked_again(steps, self._model), self._model, self._metrics)
        refused: ModelUnavailableError | OverloadedError | None = None
        try:
            while True:
                try:
                    self.version, rows = attempt(self.version, context)
                    return rows
                except (ModelUnavailableError, OverloadedError) as error:
                    late = time.monotonic() + RETRY_PAUSE_S >= context.deadline
                    if late or self._asking.stopped.wait(RETRY_PAUSE_S):
                        raise
                    refused = error
                except DeadlineError:
                    if refused is None:
                        raise
                    raise refused from None  # the last call had little time left; this is the cause
        finally:
            del refused  # it and this frame would keep each other, and the features, until a garbage collection


def hears_alike(one: ServedVersion, other: ServedVersion) -> bool:
    """Whether one version can go on where the other stopped: equal features, equal emotions."""
    ours, theirs = one.description, other.description
    return ours.spec.fingerprint == theirs.spec.fingerprint and ours.emotions == theirs.emotions
