"""Answers to requests that gunicorn cannot read, as problem+json like every other error."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from gunicorn.http import errors

from preprocess_gateway.http.problems import HTTP_CODES, INTERNAL_CODE, OTHER_CODE, PROBLEM_TYPE, problem
from preprocess_gateway.telemetry.tracing import Trace

log = logging.getLogger(__name__)
BAD = HTTPStatus.BAD_REQUEST
REFUSALS: dict[type[Exception], tuple[HTTPStatus, str]] = {
    errors.InvalidRequestLine: (BAD, "The request line is not valid HTTP"),
    errors.InvalidRequestMethod: (BAD, "The request's method is not valid HTTP"),
    errors.InvalidHTTPVersion: (BAD, "The request's version of HTTP is not supported; HTTP/1.1 is"),
    errors.InvalidHeader: (BAD, "A header is not valid, or contradicts another: {hdr}"),
    errors.InvalidHeaderName: (BAD, "A header's name is not valid: {hdr}"),
    errors.ObsoleteFolding: (BAD, "A header goes on in a second line, which HTTP no longer allows: {hdr}"),
    errors.LimitRequestLine: (BAD, "The request line is too long"),
    errors.LimitRequestHeaders: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long or too many"),
    errors.ExpectationFailed: (HTTPStatus.EXPECTATION_FAILED, "`Expect` takes nothing but 100-continue"),
    errors.UnsupportedTransferCoding: (
        HTTPStatus.NOT_IMPLEMENTED,
        "The Transfer-Encoding {hdr} is not supported; send the body chunked, or with a Content-Length",
    ),
    errors.ForbiddenProxyRequest: (HTTPStatus.FORBIDDEN, "The PROXY protocol is not allowed"),
    errors.ParseException: (BAD, "The request is not valid HTTP"),
}
MAX_SHOWN = 80


def refusal(error: Exception, root: str = "") -> bytes:
    """The whole response to a request that could not be read because of `error`; writes one line to the log.

    `root` is that of `problem`.
    """
    status, text = next(
        (REFUSALS[kind] for kind in type(error).__mro__ if kind in REFUSALS),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway failed; its log says why"),
    )
    detail = text.format(hdr=repr(getattr(error, "hdr", ""))[:MAX_SHOWN])
    code = INTERNAL_CODE if status == HTTPStatus.INTERNAL_SERVER_ERROR else HTTP_CODES.get(status, OTHER_CODE)
    request_id = Trace.of(None, None).request_id
    line = {"route": "other", "status": int(status), "code": code, "request_id": request_id}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", exc_info=error, extra=line)
    log.info("answered", extra=line)
    body = json.dumps(problem(status, code, detail, request_id, root)).encode()
    head = (
        f"HTTP/1.1 {status:d} {status.phrase}\r\nConnection: close\r\nContent-Type: {PROBLEM_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\n\r\n"
    )
    return head.encode("latin-1") + body
