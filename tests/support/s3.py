"""An S3 server on loopback (moto's), and a proxy in front of it that does to clients what networks and clouds do."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EXPIRED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class FaultyS3:
    """`fault` says what happens to requests now; `seen` are the requests that were passed on, as `GET /path`.

    Faults: `` (none), `away` (connections end without an answer), `expired` (403 ExpiredToken), `slow` (each answer
    comes `delay_s` late), `torn` (bodies end in their middle).
    """

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("http://")
        self.fault = ""
        self.delay_s = 5.0
        self.seen: list[str] = []
        self.endpoint = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Pass one request on, or not."""
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        if self.fault == "away":
            handler.close_connection = True
            return
        if self.fault == "slow":
            time.sleep(self.delay_s)
        if self.fault == "expired":
            _send(handler, 403, {"Content-Type": "application/xml"}, EXPIRED)
            return
        self.seen.append(f"{handler.command} {handler.path}")
        connection = http.client.HTTPConnection(self.target, timeout=30)
        try:
            connection.request(handler.command, handler.path, body, dict(handler.headers))
            found = connection.getresponse()
            data = found.read()
            headers = {name: value for name, value in found.getheaders() if name.lower() not in DROPPED}
        finally:
            connection.close()
        if self.fault == "torn" and handler.command == "GET" and "list-type" not in handler.path:
            _send(handler, found.status, headers, data[: len(data) // 2], length=len(data))
            handler.close_connection = True
        else:
            length = int(found.headers.get("Content-Length", 0)) if handler.command == "HEAD" else len(data)
            _send(handler, found.status, headers, data, length=length)


DROPPED = {"content-length", "transfer-encoding", "connection", "date", "server"}


def _send(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes, *, length: int | None = None
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(data) if length is None else length))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


@contextmanager
def faulty_s3(target: str) -> Iterator[FaultyS3]:
    """A proxy in front of the S3 server at `target`."""
    faulty = FaultyS3(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            faulty.answer(self)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        faulty.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield faulty
        finally:
            server.shutdown()
            thread.join()
