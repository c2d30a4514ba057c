"""What the core and its HTTP routes cost beside the parts that nobody can leave out, as ratios of CPU time.

The quickest of interleaved calls are compared: what else the machine does only makes calls slower. The bounds leave
room for other machines; `make bench` measures how much the project really takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from preprocess_gateway.backend.tensors import from_array
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.answer import PredictOptions
from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import decode
from speech_emotion.hearing import hear, spoken_features
from speech_emotion.protos import predict_pb2
from tests.support import clips, served
from tests.support.cost import quickest
from tests.support.model_server import ModelServer

CALLS = 40
SETTINGS = Settings()


@pytest.fixture(scope="module")
def predictor(model_server: ModelServer) -> Iterator[Predictor]:
    settings, metrics = Settings(model_server=model_server.address), Metrics()
    with served.models(settings, metrics) as models:
        models.default.versions.resolve("stable", timeout_s=30)
        yield Predictor(settings, models, metrics)


@pytest.fixture(scope="module")
def clip() -> bytes:
    return clips.tone(3.5, rate=48_000)


def left() -> RequestContext:
    return RequestContext(time.monotonic() + 60)


def bare(clip: bytes, predictor: Predictor, server: ModelServer) -> Callable[[], object]:
    """Decoding, hearing and the call, without the core around them."""
    spec = predictor.models.default.stable().description.spec

    def answer() -> object:
        samples, info = decode(clip, SETTINGS.audio_limits)
        features = spoken_features(hear(samples, info, spec, SETTINGS.quality_limits), spec)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = server.name
        request.inputs["features"].CopyFrom(from_array(features))
        return server.predictions.Predict(request, timeout=60)

    return answer


def test_the_core_adds_little_to_decoding_hearing_and_the_call(
    clip: bytes, predictor: Predictor, model_server: ModelServer
) -> None:
    core, parts = quickest(
        lambda: predictor.predict(predictor.models.default, clip, PredictOptions(), left()),
        bare(clip, predictor, model_server),
        calls=CALLS,
    )
    assert core < 1.35 * parts


@pytest.mark.parametrize(("body", "bound"), [("form", 2.0), ("raw", 1.7)])
def test_the_route_adds_little_to_the_core(clip: bytes, predictor: Predictor, body: str, bound: float) -> None:
    app = create_app(Settings(), predictor, Metrics())
    sent: dict[str, object] = (
        {"data": {"file": (BytesIO(clip), "clip.wav")}}
        if body == "form"
        else {"data": clip, "content_type": "audio/wav"}
    )
    environ = EnvironBuilder("/predict", method="POST", **sent).get_environ()  # type: ignore[arg-type]
    payload = environ["wsgi.input"].read()

    def post() -> None:
        _, status, _ = run_wsgi_app(app, {**environ, "wsgi.input": BytesIO(payload)}, buffered=True)
        assert status == "200 OK"

    route, core = quickest(
        post, lambda: predictor.predict(predictor.models.default, clip, PredictOptions(), left()), calls=CALLS
    )
    assert route < bound * core
