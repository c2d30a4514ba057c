"""Which versions the model servers could not load: such a version delays each start of a server."""

from __future__ import annotations

import logging

from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.errors import GatewayError
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import ContractError

log = logging.getLogger(__name__)
TIMEOUT_S = 2.0


class BrokenVersions:
    """Keeps the metric of one model's broken versions; each look asks one of the servers."""

    def __init__(self, client: PredictClient, metrics: Metrics) -> None:
        self._client = client
        self._gauge = metrics.version_broken
        self._known: dict[int, str] = {}

    def look(self) -> None:
        """Ask a server. One that is away changes nothing: the versions' labels tell of it."""
        try:
            faults = self._client.load_faults(TIMEOUT_S)
        except (GatewayError, ContractError):
            return
        model = self._client.model_name
        for version, fault in (dict.fromkeys(self._known, "") | faults).items():
            self._gauge.labels(model, version).set(bool(fault))
            if fault and not self._known.get(version):
                log.warning("%s: the model server cannot load version %d: %s", model, version, fault)
        self._known = faults
