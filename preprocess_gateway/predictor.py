"""The one core: bytes to answer. Knows neither Flask nor gRPC."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from preprocess_gateway.answer import Answer, Model, build_answer
from preprocess_gateway.errors import DeadlineError
from preprocess_gateway.metrics import Metrics
from preprocess_gateway.serving.client import PredictClient, VersionNotFoundError
from preprocess_gateway.serving.versions import ServedVersion, VersionResolver
from preprocess_gateway.settings import Settings
from speech_emotion.audio import AudioInfo, decode, prepare
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import extract

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

    def predict(self, data: bytes, deadline: float) -> Answer:
        """Answer one clip before `deadline` (of `time.monotonic`).

        Raises AudioError for the clip, GatewayError for capacity, dependency or time, ContractError for the model.
        """
        served = self._versions.current()
        with self._metrics.stage("decode"):
            samples, info = decode(data, self._settings.audio_limits)
        try:
            return self._answer(samples, info, served, deadline)
        except VersionNotFoundError:
            # Replicas see a change at different moments: ask what the label means now, once.
            return self._answer(samples, info, self._versions.resolve(_left(deadline)), deadline)

    def _answer(self, samples: Array, info: AudioInfo, served: ServedVersion, deadline: float) -> Answer:
        spec, labels = served.description.spec, served.description.labels
        with self._metrics.stage("features"):
            mono = prepare(samples, info.sample_rate, spec.sample_rate, spec.resampler)
            features = extract(mono, spec)
        with self._metrics.stage("serving"):
            windows = self._predict_batches(features, served.version, deadline)
        if windows.shape[1] != len(labels):
            raise ContractError(f"version {served.version} answers {windows.shape[1]} values for {len(labels)} labels")
        answer = build_answer(windows, labels, Model(self._client.model_name, served.version, served.label), info)
        self._metrics.record(answer)
        return answer

    def _predict_batches(self, features: Array, version: int, deadline: float) -> Array:
        size = self._settings.max_batch
        batches = [features[start : start + size] for start in range(0, len(features), size)]
        return np.concatenate([self._client.predict(batch, version, _left(deadline)) for batch in batches])


def _warm(description: Description) -> None:
    spec = description.spec
    extract(np.zeros(spec.sample_rate, np.float32), spec)  # librosa compiles on its first call


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineError("the request took too long")
    return left
