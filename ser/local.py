"""No service at all: a model server for as long as needed, and the gateway's application in this process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from ser.clips import UsageError
from ser.gateway_settings import local_settings
from ser.outcomes import ServiceAwayError
from ser.serve import LOOPBACK, START_TIMEOUT_S, ConfigMirror, ServeError, start_model_server, stop, wait_listening
from speech_emotion.children import Server, ending_in_order
from speech_emotion.client import Client
from speech_emotion.input_files import MAX_CLIP_BYTES
from speech_emotion.listening import free_port

FORM_BYTES = 4096
"""What a form adds to the clip in it."""
MAX_CLIPS = 64
"""What `ser predict` allows of clips at once."""


@contextmanager
def local_client(store: Path, model: str | None, deadline_s: float, max_bytes: int) -> Iterator[Client]:
    """A client of a model (none named: the store's first): same answers as behind HTTP.

    Of the environment, GATEWAY_* variables count that change answers (`OF_ANSWERS`). Raises UsageError if one is out of
    bounds or the store has no configuration or not this model, ServiceAwayError if it does not load.
    """
    if not (store / "models.config").is_file():
        raise UsageError(f"{store} is not a model store: it has no models.config")
    port = free_port()
    with (
        ending_in_order(),
        tempfile.TemporaryDirectory(prefix="speech-emotion-") as folder,
        (Path(folder) / "log").open("w+b") as log,
    ):
        mirror = _mirror(store, Path(folder) / "models.config", model)
        address = f"{LOOPBACK}:{port}"
        settings = _settings(address, mirror.models[0], deadline_s, max_bytes)
        processes: dict[str, Server] = {}
        try:
            processes["model server"] = start_model_server(port, mirror.target, log, host=LOOPBACK)
            wait_listening(address, processes)
            with _client(settings, deadline_s, max_bytes) as client:
                yield client
        except ServeError as error:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-3:]
            raise ServiceAwayError("\n".join([str(error), *last])) from error
        finally:
            stop(processes)


def _mirror(store: Path, target: Path, model: str | None) -> ConfigMirror:
    """One model alone is loaded."""
    try:
        return ConfigMirror(store, target, [model or ConfigMirror(store, target).models[0]])
    except ServeError as error:
        raise UsageError(str(error)) from error


def _settings(model_server: str, model: str, deadline_s: float, max_bytes: int) -> Settings:
    # Nobody else asks: clips wait here rather than come again in seconds.
    body, recording = min(max_bytes, MAX_CLIP_BYTES) + FORM_BYTES, max_bytes + FORM_BYTES
    return local_settings(
        model_server=model_server,
        model_name=model,
        model_names=(model,),
        deadline_s=deadline_s,
        queue=1024,
        queue_s=60,
        max_body_bytes=body,
        max_held_bytes=2 * MAX_CLIPS * body,
        max_recordings=MAX_CLIPS,
        max_recording_bytes=recording,
        max_spooled_bytes=MAX_CLIPS * recording,
    )


@contextmanager
def _client(settings: Settings, deadline_s: float, max_bytes: int) -> Iterator[Client]:
    metrics = Metrics()
    predictor = Predictor.connect(settings, metrics)
    try:
        _wait_ready(predictor)
        transport = httpx.WSGITransport(create_app(settings, predictor, metrics))
        with Client("http://local", transport=transport, deadline_s=deadline_s, max_bytes=max_bytes) as client:
            yield client
    finally:
        predictor.close()


def _wait_ready(predictor: Predictor) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while not predictor.ready:
        if time.monotonic() > end:
            raise ServeError(f"the model did not load within {START_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
