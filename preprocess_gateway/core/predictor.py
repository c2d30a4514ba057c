"""The one core: bytes to answer. Knows neither Flask nor gRPC."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.client import PredictClient, VersionNotFoundError
from preprocess_gateway.backend.traffic import Traffic
from preprocess_gateway.backend.versions import ServedVersion, VersionResolver
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.answer import Answer, Model, PredictOptions, build_answer
from preprocess_gateway.core.observers.shadow import Shadow
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import AudioInfo, DecoderPool, decode
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError, DecoderBusyError, DecoderDeadlineError
from speech_emotion.features import extract
from speech_emotion.hearing import hear, spoken_features

Array = npt.NDArray[np.float32]


class Predictor:
    """Answers clips with the version that a client's label means."""

    def __init__(
        self,
        settings: Settings,
        client: PredictClient,
        versions: VersionResolver,
        metrics: Metrics,
        decoders: DecoderPool | None = None,
    ) -> None:
        """Without `decoders` clips are decoded in this process."""
        self._settings = settings
        self._client = client
        self._versions = versions
        self._metrics = metrics
        self._decoders = decoders
        self._traffic = _traffic(settings)
        self._shadow = Shadow(settings.shadow_share, metrics)

    @classmethod
    def connect(cls, settings: Settings, metrics: Metrics) -> Predictor:
        """A predictor with real collaborators, resolving; call after the fork."""
        client = PredictClient(settings, metrics)
        versions = VersionResolver(client, _traffic(settings).labels, settings.resolve_interval_s, _warm)
        versions.start()
        decoders = DecoderPool(settings.decoders, settings.decoder_options, metrics.decoder_restarts.inc)
        return cls(settings, client, versions, metrics, decoders.start())

    @property
    def ready(self) -> bool:
        """Whether the model has described itself."""
        return self._versions.ready

    def wait_asked(self, timeout_s: float) -> None:
        """Wait until the model server was asked once: with an answer this is ready, without one it can say so."""
        self._versions.wait_asked(timeout_s)

    @property
    def model_name(self) -> str:
        """The model asked for, as its server names it."""
        return self._client.model_name

    def served(self) -> tuple[ServedVersion, ...]:
        """What each label means now. Raises ModelUnavailableError before the first label is resolved."""
        self._versions.current(self._traffic.stable)
        return tuple(self._versions.known.values())

    def close(self) -> None:
        """Stop comparing and resolving, close the decoders and the channel."""
        self._shadow.close()
        if self._decoders:
            self._decoders.close()
        self._versions.close()
        self._client.close()

    def predict(self, data: bytes, options: PredictOptions, context: RequestContext) -> Answer:
        """Answer one clip in the time that `context` leaves.

        Raises AudioError for the clip, GatewayError for capacity, dependency or time, ContractError for the model.
        """
        label = self._traffic.choose(context.client_key, self._versions.known)
        served = self._versions.current(label)
        with self._metrics.stage("decode"):
            samples, info = self._decode(data, context)
        clip = _Clip(samples, info, options)
        answer = self._answer_by_label(clip, served, context)
        self._metrics.record(answer)
        self._compare(clip, answer)
        return answer

    def _decode(self, data: bytes, context: RequestContext) -> tuple[Array, AudioInfo]:
        if self._decoders:
            try:
                return self._decoders.decode(data, context.deadline)
            except DecoderBusyError as error:
                raise OverloadedError(str(error), reason="decoders") from error
            except DecoderDeadlineError as error:
                raise DeadlineError(str(error)) from error
        return decode(data, self._settings.audio_limits)

    def _answer_by_label(self, clip: _Clip, served: ServedVersion, context: RequestContext) -> Answer:
        if served.label == self._traffic.stable:
            return self._answer_by_version(clip, served, context)
        try:
            return self._answer_by_version(clip, served, context.half())
        except (ContractError, DeadlineError, ModelUnavailableError, OverloadedError):
            # A canary that fails is the operator's to see, not the client's.
            self._metrics.canary_fallbacks.inc()
            return self._answer_by_version(clip, self._versions.current(self._traffic.stable), context)

    def _answer_by_version(self, clip: _Clip, served: ServedVersion, context: RequestContext) -> Answer:
        try:
            return self._answer(clip, served, context)
        except VersionNotFoundError:
            # Replicas see a change at different moments: ask what the label means now, once.
            return self._answer(clip, self._versions.resolve(served.label, context.left_s()), context)

    def _answer(self, clip: _Clip, served: ServedVersion, context: RequestContext) -> Answer:
        spec, labels = served.description.spec, served.description.labels
        with self._metrics.stage("features"):
            heard = hear(clip.samples, clip.info, spec, self._settings.quality_limits)
            features = spoken_features(heard, spec)
        with self._metrics.stage("serving"):
            rows = self._predict_batches(features, served, context)
        model = Model(name=self._client.model_name, version=served.version, label=served.label)
        return build_answer(rows, labels, heard, model, clip.options, self._settings.min_confidence)

    def _predict_batches(self, features: Array, served: ServedVersion, context: RequestContext) -> Array:
        """Probabilities `[windows, labels]`, in batches of at most `max_batch`; no window, no call."""
        width = len(served.description.labels)
        rows = [np.empty((0, width), np.float32)]
        for start in range(0, len(features), self._settings.max_batch):
            batch = features[start : start + self._settings.max_batch]
            rows.append(self._client.predict(batch, served.version, context))
            if rows[-1].shape[1] != width:
                raise ContractError(f"version {served.version} answers {rows[-1].shape[1]} values for {width} labels")
        return np.concatenate(rows)

    def _compare(self, clip: _Clip, answer: Answer) -> None:
        """Let the other label hear a share of the clips, after the answer."""
        others = [served for label, served in self._versions.known.items() if label != answer.model.label]
        if others and self._shadow.wanted():
            context = RequestContext(time.monotonic() + self._settings.deadline_s)
            self._shadow.compare(answer.emotion, lambda: self._answer(clip, others[0], context).emotion)


@dataclass(frozen=True)
class _Clip:
    """A decoded clip, and what is asked of it."""

    samples: Array
    info: AudioInfo
    options: PredictOptions


def _traffic(settings: Settings) -> Traffic:
    return Traffic(settings.model_label, settings.canary_label, settings.canary_share)


def _warm(description: Description) -> None:
    spec = description.spec
    extract(np.zeros(spec.sample_rate, np.float32), spec)  # librosa compiles on its first call
