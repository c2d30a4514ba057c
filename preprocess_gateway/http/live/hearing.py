"""What a stream says back: a Window and a Now for each window, and a summary at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from preprocess_gateway.context import Metadata
from preprocess_gateway.core.answer import Audio, Model, PredictOptions, verdict
from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.core.smoothing import Smoothing
from preprocess_gateway.core.summary import Summary
from preprocess_gateway.core.windows import STEP_S, AnsweredWindow, Asking, WindowAnswers
from preprocess_gateway.errors import BadMessageError, BadQueryError
from preprocess_gateway.http.live.messages import (
    EndMessage,
    NowMessage,
    ReadyMessage,
    Start,
    WindowMessage,
)
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import AudioInfo
from speech_emotion.audio.raw import RawSamples
from speech_emotion.errors import StrideError


class StreamHearing:
    """The samples of one stream, and what is said of them. Times count from the Start's `start_s`."""

    def __init__(
        self,
        start: Start,
        model: ServedModel,
        predictor: Predictor,
        settings: Settings,
        metrics: Metrics,
        affinity_key: str,
        metadata: Metadata,
    ) -> None:
        """Raises a LimitError or BadMessageError for what the Start asks for, and what WindowAnswers raises."""
        settings.audio_limits.check(AudioInfo("RAW", start.encoding, start.sample_rate, start.channels, 0))
        if start.stride_s is not None and start.stride_s < settings.stream_min_stride_s:
            raise BadMessageError(f"stride_s: at least {settings.stream_min_stride_s:g} s are needed between windows")
        options = PredictOptions(top=start.top, emotions=start.emotions)
        asking = Asking(options, start.stride_s, affinity_key, metadata, live=True, stopped=predictor.draining.begun)
        try:
            self._answers = WindowAnswers(
                model, predictor.lanes, settings, metrics, start.sample_rate, start.channels, asking
            )
        except StrideError as error:
            raise BadMessageError(f"stride_s is not possible with this model: {error}") from error
        except BadQueryError as error:
            raise BadMessageError(str(error)) from error
        self._start = start
        self._model = model
        self._settings = settings
        self._samples = RawSamples(start.encoding, start.channels)
        self._smoothing = Smoothing(settings.stream_smoothing_s)
        spec = self._answers.version.description.spec
        self._emotions = self._answers.emotions
        self._summary = Summary(self._emotions, start.top, settings.min_confidence, None)
        self.window_s = spec.window_s
        self.stride_s = spec.stride_s if start.stride_s is None else start.stride_s
        self.resume_s = start.start_s
        """Where the first window begins that is not answered."""

    @property
    def begins_s(self) -> float:
        """Time of the first sample."""
        return self._start.start_s

    @property
    def heard_s(self) -> float:
        """Seconds heard so far."""
        return self._answers.heard_s

    def ready(self, request_id: str) -> ReadyMessage:
        """The answer to the Start."""
        return ReadyMessage(
            model=self._named(),
            emotions=self._emotions,
            window_s=self.window_s,
            stride_s=self.stride_s,
            ahead_s=self._settings.stream_ahead_s,
            time_constant_s=self._smoothing.time_constant_s,
            request_id=request_id,
        )

    def seconds(self, data: bytes) -> float:
        """How long the sound in `data` is."""
        return len(data) / self._samples.frame_bytes / self._start.sample_rate

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """`data` in pieces that are heard in one step each."""
        size = max(1, round(STEP_S * self._start.sample_rate)) * self._samples.frame_bytes
        return (data[begin : begin + size] for begin in range(0, len(data), size))

    def hear(self, piece: bytes) -> list[WindowMessage | NowMessage]:
        """What is known with `piece`. Raises NonFiniteAudioError, and what `WindowAnswers.feed` does."""
        return list(self._say(self._answers.feed(self._samples.read(piece))))

    def end(self) -> list[WindowMessage | NowMessage]:
        """The windows that are left. Raises what `WindowAnswers.end` does."""
        return list(self._say(self._answers.end()))

    def sum_up(self, request_id: str) -> EndMessage:
        """The summary, once after `end`."""
        self._summary.end()
        audio = Audio(
            duration_s=self.heard_s,
            sample_rate=self._start.sample_rate,
            channels=self._start.channels,
            format="RAW",
        )
        answer = self._summary.answer(self._answers.warnings, self._named(), audio)
        return EndMessage(summary={**answer.model_dump(mode="json", exclude_unset=True), "request_id": request_id})

    def _say(self, windows: Iterable[AnsweredWindow]) -> Iterator[WindowMessage | NowMessage]:
        top, offset_s = self._start.top, self._start.start_s
        for heard in windows:
            window = replace(heard, start_s=heard.start_s + offset_s, end_s=heard.end_s + offset_s)
            self.resume_s = round(window.start_s + self.stride_s, 3)
            self._summary.add(window)
            said = window.describe(self._emotions, top, self._settings.min_confidence)
            yield WindowMessage(**said.model_dump(exclude_unset=True))
            if window.row is not None:
                now = verdict(self._smoothing.add(window.end_s, window.row), self._emotions, top)
                yield NowMessage(**now, at_s=window.end_s, time_constant_s=self._smoothing.time_constant_s)

    def _named(self) -> Model:
        version = self._answers.version
        return Model(name=self._model.name, version=version.version, label=version.label)
