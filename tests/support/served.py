"""Models of a gateway's core in this process, which resolve their labels only when they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.backend.connection import Connection
from preprocess_gateway.backend.traffic import Traffic
from preprocess_gateway.backend.versions import VersionResolver
from preprocess_gateway.core.served_models import ServedModel, ServedModels
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics


@contextmanager
def client(settings: Settings, metrics: Metrics | None = None) -> Iterator[PredictClient]:
    """A client of the default model, closed with its connection."""
    connection = Connection(settings, metrics or Metrics())
    try:
        yield PredictClient(connection, settings.models[0])
    finally:
        connection.close()


@contextmanager
def models(settings: Settings, metrics: Metrics | None = None) -> Iterator[ServedModels]:
    """Every model of the settings."""
    connection = Connection(settings, metrics or Metrics())
    traffic = Traffic(settings.model_label, settings.canary_label, settings.canary_share)
    clients = [PredictClient(connection, name) for name in settings.models]
    try:
        yield ServedModels(
            [
                ServedModel(one, VersionResolver(one, traffic.labels, 60, lambda _: None), traffic, settings.max_batch)
                for one in clients
            ]
        )
    finally:
        connection.close()
