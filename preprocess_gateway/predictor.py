"""The one core: bytes to answer. Knows neither Flask nor gRPC."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from preprocess_gateway.answer import Answer, Model, PredictOptions, build_answer
from preprocess_gateway.errors import DeadlineError
from preprocess_gateway.hearing import Heard, hear
from preprocess_gateway.metrics import Metrics
from preprocess_gateway.serving.client import PredictClient, VersionNotFoundError
from preprocess_gateway.serving.versions import ServedVersion, VersionResolver
from preprocess_gateway.settings import Settings
from speech_emotion.audio import AudioInfo, decode
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import FeatureSpec, extract

Array = npt.NDArray[np.float32]


class Predictor:
    """Answers clips with the version that the label means."""

    def __init__(self, settings: Settings, client: PredictClient, versions: VersionResolver, metrics: Metrics) -> None:
        self._settings = settings
        self._client = client
        self._versions = versions
        self._metrics = metrics

    @classmethod
    def connect(cls, settings: Settings, metrics: Metrics) -> Predictor:
        """A predictor with real collaborators, resolving; call after the fork."""
        client = PredictClient(settings.model_server, settings.model_name)
        versions = VersionResolver(client, settings.model_label, settings.resolve_interval_s, _warm)
        versions.start()
        return cls(settings, client, versions, metrics)

    @property
    def ready(self) -> bool:
        """Whether the model has described itself."""
        return self._versions.ready

    def close(self) -> None:
        """Stop resolving, close the channel."""
        self._versions.close()
        self._client.close()

    def predict(self, data: bytes, options: PredictOptions, deadline: float) -> Answer:
        """Answer one clip before `deadline` (of `time.monotonic`).

        Raises AudioError for the clip, GatewayError for capacity, dependency or time, ContractError for the model.
        """
        served = self._versions.current()
        with self._metrics.stage("decode"):
            samples, info = decode(data, self._settings.audio_limits)
        try:
            return self._answer(samples, info, served, options, deadline)
        except VersionNotFoundError:
            # Replicas see a change at different moments: ask what the label means now, once.
            return self._answer(samples, info, self._versions.resolve(_left(deadline)), options, deadline)

    def _answer(
        self, samples: Array, info: AudioInfo, served: ServedVersion, options: PredictOptions, deadline: float
    ) -> Answer:
        spec, labels = served.description.spec, served.description.labels
        with self._metrics.stage("features"):
            heard = hear(samples, info, spec, self._settings.quality_limits)
            features = _features(heard, spec)
        with self._metrics.stage("serving"):
            rows = self._predict_batches(features, served, deadline)
        model = Model(name=self._client.model_name, version=served.version, label=served.label)
        answer = build_answer(rows, labels, heard, model, options, self._settings.min_confidence)
        self._metrics.record(answer)
        return answer

    def _predict_batches(self, features: Array, served: ServedVersion, deadline: float) -> Array:
        """Probabilities `[windows, labels]`, in batches of at most `max_batch`; no window, no call."""
        width = len(served.description.labels)
        rows = [np.empty((0, width), np.float32)]
        for start in range(0, len(features), self._settings.max_batch):
            batch = features[start : start + self._settings.max_batch]
            rows.append(self._client.predict(batch, served.version, _left(deadline)))
            if rows[-1].shape[1] != width:
                raise ContractError(f"version {served.version} answers {rows[-1].shape[1]} values for {width} labels")
        return np.concatenate(rows)


def _features(heard: Heard, spec: FeatureSpec) -> Array:
    """Features of the windows with speech, `[windows, frames, bins]`."""
    if not heard.speech.any():
        return np.empty((0, spec.frames, spec.bins), np.float32)
    return extract(heard.mono, spec)[heard.speech]


def _warm(description: Description) -> None:
    spec = description.spec
    extract(np.zeros(spec.sample_rate, np.float32), spec)  # librosa compiles on its first call


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineError("the request took too long")
    return left
