"""`GET /v1/stream` and `/v1/models/NAME/stream`: a WebSocket, on which speech is answered while it is spoken."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from flask import Blueprint, Response, g, request
from websockets.server import ServerProtocol

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.errors import BadQueryError, RequestTimeoutError, UpgradeRequiredError
from preprocess_gateway.http.live.handshake import Switched, check_origin, shake_hands
from preprocess_gateway.http.live.hearing import StreamHearing
from preprocess_gateway.http.live.messages import Start
from preprocess_gateway.http.live.places import Places
from preprocess_gateway.http.live.session import Outcome, Session
from preprocess_gateway.http.live.socket import StreamSocket
from preprocess_gateway.http.predict import affinity_key_of
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry import tracing
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import SpeechEmotionError

log = logging.getLogger(__name__)


def blueprint(
    settings: Settings, predictor: Predictor, metrics: Metrics, reading: ReadDeadlines, ledger: Ledger
) -> Blueprint:
    """The routes, bound to their collaborators."""
    routes = Blueprint("live", __name__)
    places = Places(settings.stream_places, settings.stream_max_open_per_client, ledger)

    @routes.get("/v1/stream", websocket=True)
    def stream() -> Response:
        return open_with(predictor.models.default)

    @routes.get("/v1/models/<name>/stream", websocket=True)
    def stream_by(name: str) -> Response:
        return open_with(predictor.models.get(name))

    @routes.get("/v1/stream")
    @routes.get("/v1/models/<name>/stream")
    def no_handshake(name: str = "") -> Response:  # noqa: ARG001
        raise UpgradeRequiredError("This path takes WebSocket handshakes only")

    def open_with(model: ServedModel) -> Response:
        if request.args:
            raise BadQueryError("A stream has no parameters; its first message says how it is to be answered")
        check_origin(request, settings.cors_origins)
        protocol, headers = shake_hands(request, settings.stream_max_frame_bytes)
        if reading.end(request.environ["gunicorn.socket"]):
            raise RequestTimeoutError(f"The request was not complete after {reading.timeout_s:g} s")
        return Switched(headers, run(protocol, model))

    def run(protocol: ServerProtocol, model: ServedModel) -> Iterator[bytes]:
        # All that belongs to the request is looked up now: it is over when the stream begins.
        sock, client, route = request.environ["gunicorn.socket"], request.remote_addr or "", request.url_rule
        affinity_key, trace = affinity_key_of(request), g.trace

        def hear(start: Start) -> StreamHearing:
            return StreamHearing(start, model, predictor, settings, metrics, affinity_key, trace.metadata)

        def go() -> Iterator[bytes]:
            yield b""  # the head
            begun, token = time.monotonic(), tracing.current.set(trace)
            socket = StreamSocket(sock, protocol, settings.stream_unsent_bytes)
            rule = route.rule if route else ""
            session = Session(socket, hear, settings, metrics, predictor.draining, trace.request_id, rule)
            try:
                with places.take(client), metrics.streams_open.track_inprogress():
                    outcome = session.run()
            except SpeechEmotionError as error:
                outcome = session.run(refused=error)
            finally:
                socket.release()
            record(outcome, rule, time.monotonic() - begun)
            tracing.current.reset(token)

        return go()

    def record(outcome: Outcome, route: str, seconds: float) -> None:
        metrics.stream_closes.labels(str(outcome.close_code)).inc()
        metrics.audio_seconds.inc(outcome.heard_s)
        line = {"route": route, "close_code": outcome.close_code, "code": outcome.error, "windows": outcome.windows}
        log.info("stream ended", extra={**line, "duration_s": round(seconds, 4), "heard_s": round(outcome.heard_s, 3)})

    return routes
