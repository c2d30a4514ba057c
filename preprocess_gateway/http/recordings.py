"""`POST /v1/recordings` and `POST /v1/models/NAME/recordings`: a long recording in, windows out as they come."""

from __future__ import annotations

import logging
import math
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final, Self

from flask import Blueprint, Response, g, jsonify, request

from preprocess_gateway.core.answer import LongWindow
from preprocess_gateway.core.draining import Draining
from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.core.recordings import Event, Progress
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.core.summary import RecordingAnswer
from preprocess_gateway.core.windows import Asking
from preprocess_gateway.errors import ShuttingDownError
from preprocess_gateway.http.predict import affinity_key_of
from preprocess_gateway.http.problems import code_of, describe, problem, render_problem
from preprocess_gateway.http.pump import NOTHING, Nothing, Pump
from preprocess_gateway.http.query import RecordingQuery, read_options
from preprocess_gateway.http.record_formats import JSON, STREAMED, RecordFormat, accepted
from preprocess_gateway.http.uploads import Uploads
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry import tracing
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import raw_of

log = logging.getLogger(__name__)
POLL_S: Final = 0.2
"""How often a client that has gone is looked for."""
GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold lines back
CLIENT_GONE: Final = "client_gone"
CLIENT_CLOSED_REQUEST: Final = 499  # nginx's; nobody reads it
TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", 18)


class ClientGoneError(Exception):
    """Nobody reads the answer any more."""


def blueprint(settings: Settings, predictor: Predictor, metrics: Metrics, uploads: Uploads) -> Blueprint:
    """The routes, bound to their collaborators."""
    routes = Blueprint("recordings", __name__)

    @routes.post("/v1/recordings")
    def recordings() -> Response:
        return answer_with(predictor.models.default)

    @routes.post("/v1/models/<name>/recordings")
    def recordings_by(name: str) -> Response:
        return answer_with(predictor.models.get(name))

    def answer_with(model: ServedModel) -> Response:
        media_type = accepted(request)
        options = read_options(request.args, raw_of(request.mimetype, request.mimetype_params), RecordingQuery)
        model.check(options, affinity_key_of(request))
        if predictor.draining.begun.is_set():
            raise ShuttingDownError("This gateway is being stopped; ask again")
        with ExitStack() as held:
            held.enter_context(metrics.recordings_in_progress.track_inprogress())
            body = held.enter_context(uploads.read_recording(request))
            course = held.enter_context(_Course(settings, predictor.draining, metrics))  # ends before the body does
            asking = Asking(options, None, affinity_key_of(request), g.trace.metadata, stopped=course.stopped)
            course.begin(predictor.recordings.answer(model, body, asking))
            if media_type == JSON:
                return _at_once(course, settings)
            try:
                course.wait_for_first()
            except ClientGoneError:
                return Response(status=CLIENT_CLOSED_REQUEST)
            written = STREAMED[media_type](g.request_id)
            response = Response(course.write(written), content_type=written.content_type, headers=HEADERS)
            response.call_on_close(held.pop_all().close)
            return response

    return routes


class _Course:
    """The course of one recording, from its request to its last line, as a context manager."""

    def __init__(self, settings: Settings, draining: Draining, metrics: Metrics) -> None:
        self.stopped = threading.Event()
        """Set when there is nobody to answer any more."""
        self.outcome: str = CLIENT_GONE
        """How it ended: `answered`, `client_gone`, or the code of a problem."""
        self._settings = settings
        self._draining = draining
        self._metrics = metrics
        self._trace, self._route = g.trace, request.url_rule.rule if request.url_rule else ""
        self._sock: socket.socket | None = request.environ.get("gunicorn.socket")
        self._begun = time.monotonic()
        self._pump: Pump[Event] | None = None
        self._first: Event | Nothing | None = NOTHING
        self._heard = Progress(0.0, None)
        self._windows = 0

    def begin(self, events: Iterator[Event]) -> None:
        """Let a thread work on the recording."""
        if self._sock:  # a reader that stands still must not hold a place for recordings for ever
            self._sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, round(1000 * self._settings.send_timeout_s))
        self._pump = Pump(events, self.stopped)

    def wait_for_first(self) -> None:
        """Wait for the first block, or for what is wrong with the file: that has an HTTP status of its own."""
        self._first = self._next(max(self._settings.recording_block_s, self._settings.progress_s))

    def events(self) -> Iterator[Event]:
        """Every event; and where there is none for `progress_s` seconds, how far it has come.

        Raises what the recording's own iterator raises, ClientGoneError, ShuttingDownError.
        """
        item = self._first
        while item is not None:
            yield self._heard if isinstance(item, Nothing) else item
            item = self._next(self._settings.progress_s)
        self.outcome = "answered"

    def write(self, written: RecordFormat) -> Iterator[str]:
        """The body, to its last line; a problem is its last line."""
        with tracing.using(self._trace):
            said = -math.inf
            try:
                yield written.begin()
                for event in self.events():
                    quiet = time.monotonic() - said >= self._settings.progress_s
                    text = written.write(event) or (written.progress(self._heard) if quiet else "")
                    if text:
                        yield text
                        said = time.monotonic()
            except ClientGoneError:
                return
            except Exception as error:  # noqa: BLE001 - what was heard stays valid, and the client is told
                status, self.outcome, detail = describe(error)
                yield written.problem(problem(status, self.outcome, detail, self._trace.request_id))

    def _next(self, within_s: float) -> Event | Nothing | None:
        """The next event, NOTHING if there is none within so many seconds, None after the last one."""
        assert self._pump  # noqa: S101
        until = time.monotonic() + within_s
        while True:
            item = self._pump.take(POLL_S)
            if self._sock and has_gone(self._sock):
                raise ClientGoneError
            if not self._draining.left_s():
                raise ShuttingDownError("This gateway is being stopped, and cannot process the rest")
            if isinstance(item, Progress):
                self._heard = item
            elif isinstance(item, LongWindow):
                self._windows += 1
            if not isinstance(item, Nothing) or time.monotonic() >= until:
                return item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._pump:
            self._pump.stop()
        if isinstance(error, Exception) and not isinstance(error, ClientGoneError):
            self.outcome = code_of(error)
        self._metrics.recordings.labels(self.outcome).inc()
        line = {"route": self._route, "code": self.outcome, "windows": self._windows}
        seconds = {"heard_s": round(self._heard.heard_s, 3), "duration_s": round(time.monotonic() - self._begun, 4)}
        with tracing.using(self._trace):
            log.info("recording ended", extra={**line, **seconds})


def has_gone(sock: socket.socket) -> bool:
    """Whether the other side has closed its side of the connection, as one that waits for an answer does not."""
    poller = select.poll()
    poller.register(sock, GONE)
    return bool(poller.poll(0))


def _at_once(course: _Course, settings: Settings) -> Response:
    """The summary with every window; or the problem, with the windows that were answered before it."""
    windows: list[LongWindow] = []
    whole: RecordingAnswer | None = None
    try:
        for event in course.events():
            if isinstance(event, LongWindow):
                windows.append(event)
            elif isinstance(event, RecordingAnswer):
                whole = event.model_copy(update={"timeline": tuple(windows)})
    except ClientGoneError:
        return Response(status=CLIENT_CLOSED_REQUEST)
    except Exception as error:
        if not windows:
            raise
        timeline = [window.model_dump(mode="json", exclude_unset=True) for window in windows]
        status, course.outcome, detail = describe(error)
        return render_problem(status, course.outcome, detail, settings.retry_after_s, timeline=timeline)
    assert whole  # noqa: S101 - it is the last event
    return jsonify(whole.to_json(g.request_id))
