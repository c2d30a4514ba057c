"""The one core: bytes to answer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

import numpy as np

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.among import Among
from preprocess_gateway.core.answer import Answer, Model, PredictOptions, build_answer
from preprocess_gateway.core.attempts import asked_again, with_fallback
from preprocess_gateway.core.draining import Draining
from preprocess_gateway.core.lane import Lanes
from preprocess_gateway.core.observers.dispatch import Observers
from preprocess_gateway.core.observers.installed import start_observers
from preprocess_gateway.core.observers.observer import Clip, Observation
from preprocess_gateway.core.recording_blocks import RecordingBlocks
from preprocess_gateway.core.recordings import Recordings
from preprocess_gateway.core.records import record
from preprocess_gateway.core.served_models import ServedModel, ServedModels
from preprocess_gateway.errors import DeadlineError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import DecoderPool, Hints, QualityLimits, decode
from speech_emotion.errors import DecoderBusyError, DecoderDeadlineError
from speech_emotion.features import FeatureSpec
from speech_emotion.hearing import Heard, hear, hear_channels, spoken_features


class Predictor:
    """Answers clips; what it is given is its own to close."""

    def __init__(
        self,
        settings: Settings,
        models: ServedModels,
        metrics: Metrics,
        decoders: DecoderPool | None = None,
        observers: Observers | None = None,
        recording_blocks: RecordingBlocks | None = None,
    ) -> None:
        """Without `decoders` clips, without `recording_blocks` recordings are decoded in this process.

        Without `observers` nobody listens.
        """
        self.models = models
        self.lanes = Lanes(settings.lane_share, settings.max_batch, settings.lane_hold_s)
        """Where recordings and streams wait, so that clips keep their place."""
        self.draining = Draining()
        """Whether this worker is being stopped."""
        self._settings = settings
        self._metrics = metrics
        self._decoders = decoders
        self._observers = observers
        self._recording_blocks = recording_blocks
        self.recordings = Recordings(settings, self.lanes, metrics, recording_blocks)
        """What answers long recordings."""
        for model in models:
            metrics.canary_fallbacks.labels(model.name)

    @classmethod
    def connect(cls, settings: Settings, metrics: Metrics) -> Self:
        """A predictor with real collaborators, whose threads and processes run; call after the fork."""
        with ExitStack() as opened:  # closed again if what follows fails
            models = ServedModels.connect(settings, metrics)
            opened.callback(models.close)
            observing = start_observers(settings, models, metrics)
            held_bytes = settings.observer_held_bytes // settings.worker_count
            observers = Observers(observing, metrics, settings.observer_threads, held_bytes)
            opened.callback(observers.close)
            restarted = metrics.decoder_restarts.inc
            recording_blocks = RecordingBlocks(settings, restarted)
            opened.callback(recording_blocks.close)
            decoders = DecoderPool(settings.decoders_per_worker, settings.decoder_options, restarted).start()
            opened.pop_all()
        return cls(settings, models, metrics, decoders, observers, recording_blocks)

    @property
    def ready(self) -> bool:
        """Whether the default model has described itself; the others may come later."""
        return self.models.default.ready

    def close(self) -> None:
        """End the observers, the decoders, then what the models hold."""
        if self._observers:
            self._observers.close()
        if self._recording_blocks:
            self._recording_blocks.close()
        if self._decoders:
            self._decoders.close()
        self.models.close()

    def predict(self, model: ServedModel, data: bytes, options: PredictOptions, context: RequestContext) -> Answer:
        """Answer one clip in the time that `context` leaves.

        Raises AudioError for the clip, GatewayError for capacity, dependency or time, ContractError for the model.
        """
        with self.lanes.short_request():
            return self._predict(model, data, options, context)

    def _predict(self, model: ServedModel, data: bytes, options: PredictOptions, context: RequestContext) -> Answer:
        chosen = model.choose(context.affinity_key)
        with self._metrics.stage("decode"):
            clip = self._decode(data, options.hints, context)

        def steps(version: ServedVersion, context: RequestContext) -> Observation:
            spec, among = version.description.spec, Among.of(options.emotions, version.description.emotions)
            with self._metrics.stage("features"):
                parts = _listen(clip, spec, self._settings.quality_limits, options)
                features = np.concatenate([spoken_features(part, spec) for part in parts])
            with self._metrics.stage("serving"):
                rows = among(model.ask(features, version, context))
            named = Model(name=model.name, version=version.version, label=version.label)
            answer = build_answer(rows, among.emotions, parts, named, options, self._settings.min_confidence)
            return Observation(clip, features, answer, version, options)

        seen = with_fallback(asked_again(steps, model), model, self._metrics)(chosen, context)
        record(seen.answer, self._metrics)
        if self._observers:
            self._observers.tell(seen)
        return seen.answer

    def _decode(self, data: bytes, hints: Hints, context: RequestContext) -> Clip:
        if not self._decoders:
            return Clip(*decode(data, self._settings.audio_limits, hints))
        try:
            return Clip(*self._decoders.decode(data, context.deadline, hints))
        except DecoderBusyError as error:
            raise OverloadedError(str(error), reason="decoders") from error
        except DecoderDeadlineError as error:
            raise DeadlineError(str(error)) from error


def _listen(clip: Clip, spec: FeatureSpec, limits: QualityLimits, options: PredictOptions) -> list[Heard]:
    if options.channels == "separate":
        return hear_channels(clip.samples, clip.info, spec, limits)
    return [hear(clip.samples, clip.info, spec, limits)]
