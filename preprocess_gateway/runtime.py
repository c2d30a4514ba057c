"""What a worker runs beside its requests, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from preprocess_gateway.metrics import Metrics
from preprocess_gateway.predictor import Predictor
from preprocess_gateway.probes import ProbeServer
from preprocess_gateway.reading import ReadDeadlines
from preprocess_gateway.settings import Settings

EXTENSION: Final = "speech_emotion_gateway"


@dataclass(frozen=True)
class Runtime:
    """The threads of a worker."""

    predictor: Predictor
    probes: ProbeServer
    reading: ReadDeadlines

    @classmethod
    def start(cls, settings: Settings, predictor: Predictor, metrics: Metrics, reading: ReadDeadlines) -> Self:
        """Serve probes and watch read deadlines."""
        probes = ProbeServer(settings.host, settings.probe_port, predictor, metrics)
        probes.start()
        reading.start()
        return cls(predictor, probes, reading)

    def drain(self) -> None:
        """Readiness goes false; requests are still answered."""
        self.probes.draining = True

    def close(self) -> None:
        """End every thread and the channel."""
        self.probes.close()
        self.reading.close()
        self.predictor.close()
