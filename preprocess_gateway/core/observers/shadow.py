"""A share of clips heard a second time, by the label that did not answer."""

from __future__ import annotations

import random
import time

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.among import Among
from preprocess_gateway.core.answer import Answer, most_probable
from preprocess_gateway.core.observers.observer import Observation
from preprocess_gateway.core.served_models import ServedModel, ServedModels
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.hearing import hear, spoken_features


class Shadow:
    """Counts whether the other label finds the emotion that was answered."""

    name = "shadow"

    def __init__(self, settings: Settings, models: ServedModels, metrics: Metrics) -> None:
        self._settings = settings
        self._models = models
        self._metrics = metrics
        for model in models:
            for outcome in ("agree", "disagree", "failed"):
                metrics.shadow_comparisons.labels(model.name, outcome)

    def wants(self, answer: Answer) -> bool:
        """Whether a clip is among the share, has one emotion, and another label is there to hear it."""
        if answer.channels is not None:
            return False
        if random.random() >= self._settings.shadow_share:  # noqa: S311 - a sample, not a secret
            return False
        return self._models.get(answer.model.name).other_than(answer.model.label) is not None

    def observe(self, seen: Observation) -> None:
        """Ask the other label, if it is still there. Raises what `ServedModel.ask` and `Among.of` do."""
        model = self._models.get(seen.answer.model.name)
        other = model.other_than(seen.answer.model.label)
        if other is None:
            return
        outcome = "failed"
        try:
            outcome = "agree" if self._emotion(seen, model, other) == seen.answer.emotion else "disagree"
        finally:
            self._metrics.shadow_comparisons.labels(model.name, outcome).inc()

    def close(self) -> None:
        """Nothing is held."""

    def _emotion(self, seen: Observation, model: ServedModel, other: ServedVersion) -> str | None:
        spec, features = other.description.spec, seen.features
        if spec != seen.version.description.spec:
            heard = hear(seen.clip.samples, seen.clip.info, spec, self._settings.quality_limits)
            features = spoken_features(heard, spec)
        # The budget of retries is the clients'.
        context = RequestContext(time.monotonic() + self._settings.deadline_s, may_retry=False)
        among = Among.of(seen.options.emotions, other.description.emotions)
        return most_probable(among(model.ask(features, other, context)), among.emotions)
