"""An observer: how loud the clips are that the gateway answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import Histogram

if TYPE_CHECKING:
    from preprocess_gateway.core.answer import Answer
    from preprocess_gateway.core.observers.observer import Observation
    from preprocess_gateway.core.served_models import ServedModels
    from preprocess_gateway.settings import Settings
    from preprocess_gateway.telemetry.metrics import Metrics


class Loudness:
    """A histogram of levels, beside the gateway's own metrics."""

    name = "acme_loudness"

    def __init__(self, settings: Settings, models: ServedModels, metrics: Metrics) -> None:  # noqa: ARG002
        buckets = range(-60, 1, 6)
        self._level = Histogram(
            "acme_clip_level_dbfs", "Level of answered clips.", buckets=buckets, registry=metrics.registry
        )

    def wants(self, answer: Answer) -> bool:
        """Clips with speech; asked while the client waits."""
        return answer.emotion is not None

    def observe(self, seen: Observation) -> None:
        """Measure a clip, after its answer."""
        power = float(np.square(seen.clip.samples).mean())
        self._level.observe(10 * np.log10(max(power, 1e-12)))

    def close(self) -> None:
        """Nothing is held."""
