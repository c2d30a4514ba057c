"""The opening handshake of a stream: who may open one, and the answer that makes a WebSocket of a connection."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flask import Request, Response
from websockets.datastructures import Headers
from websockets.exceptions import InvalidUpgrade
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from werkzeug.exceptions import BadRequest

from preprocess_gateway.errors import WEBSOCKET_VERSION, OriginError, UpgradeRequiredError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SWITCHING = 101
_quiet = logging.getLogger(f"{__name__}.frames")
_quiet.setLevel(logging.WARNING)  # it would write samples to the log


def check_origin(request: Request, allowed: Sequence[str]) -> None:
    """Raise OriginError for a page of an origin that is neither this service's own nor `allowed`.

    Browsers let any page open a WebSocket, and say whose it is. Clients that are no browsers have no origin.
    """
    origin = request.headers.get("Origin")
    if origin is None or "*" in allowed or origin.lower() in {each.lower() for each in allowed}:
        return
    # A proxy that ends TLS hides the scheme: the host decides.
    if re.fullmatch(r"https?://", origin[: -len(request.host)]) and origin.lower().endswith(request.host.lower()):
        return
    raise OriginError("Pages of this origin may not open a stream")


def shake_hands(request: Request, max_message_bytes: int) -> tuple[ServerProtocol, dict[str, str]]:
    """The protocol of a stream, and the headers that accept it; compression is not accepted.

    Raises UpgradeRequiredError for a request that is not a handshake, and BadRequest for one that is malformed.
    """
    opening = ServerProtocol(logger=_quiet)
    answer = opening.accept(Handshake(request.full_path, Headers(request.headers.items())))
    if request.method != "GET" or isinstance(opening.handshake_exc, InvalidUpgrade):
        raise UpgradeRequiredError("This path takes WebSocket handshakes only")
    if request.headers.get("Sec-WebSocket-Version") != WEBSOCKET_VERSION:
        raise UpgradeRequiredError(f"This path takes version {WEBSOCKET_VERSION} of the WebSocket protocol only")
    if answer.status_code != SWITCHING:
        raise BadRequest
    protocol = ServerProtocol(state=OPEN, max_size=max_message_bytes, logger=_quiet)  # gunicorn has read the request
    names = ("Upgrade", "Connection", "Sec-WebSocket-Accept")
    return protocol, {name: answer.headers[name] for name in names}


class Switched(Response):
    """The answer to a handshake; what `stream` does begins once its head is written, and nothing follows it."""

    def __init__(self, headers: dict[str, str], stream: Iterator[bytes]) -> None:
        super().__init__(status=SWITCHING, headers=headers)
        self._stream = stream
        del self.headers["Content-Type"]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[Any]:  # noqa: ARG002
        """Write the head; Werkzeug would leave the body of a 101 out."""
        headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        start_response(f"{SWITCHING} Switching Protocols", headers)
        return self._stream
