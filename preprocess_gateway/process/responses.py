"""Responses of gunicorn that reach the client in one piece."""

from __future__ import annotations

from gunicorn.http import wsgi

LAST_CHUNK = b"0\r\n\r\n"


class Response(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, which sends the headers together with the first bytes of the body.

    gunicorn sends them one after the other: twice the system calls, and the client is woken for nothing.
    """

    headers_sent: bool
    """Whether the headers are settled; they may still wait for the first bytes."""
    _head = b""
    """Headers that wait."""

    def send_headers(self) -> None:
        """Note the headers; they are sent with the next bytes."""
        if not self.headers_sent:
            fields = (f"{name}: {value}\r\n" for name, value in self.headers)
            self._head = "".join([*self.default_headers(), *fields, "\r\n"]).encode("latin-1")
            self.headers_sent = True

    def write(self, data: bytes) -> None:
        """Send a piece of the body; an empty one sends the headers alone."""
        super().write(data)
        self._send(b"")

    def close(self) -> None:
        """Send what ends the response."""
        self.send_headers()
        self._send(LAST_CHUNK if self.chunked else b"")

    def _emit_body(self, data: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _send(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        if data:
            self.sock.sendall(data)
