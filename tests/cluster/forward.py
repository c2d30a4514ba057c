"""The kit's ingress controller listens on loopback alone: a forwarder lets pods reach it, as in other clusters."""

from __future__ import annotations

import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NODE = "10.250.0.1"
"""The kit's first node, an address of this machine that only the test cluster has."""


@contextmanager
def reachable(host: str, port: int) -> Iterator[str]:
    """An address for pods that leads to `host:port`, while inside."""

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, port), timeout=60) as there:
                back = threading.Thread(target=_copy, args=(there, self.request))
                back.start()
                _copy(self.request, there)
                back.join()

    with socketserver.ThreadingTCPServer((NODE, 0), Forward) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{NODE}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with source.makefile("rb", 0) as reading, target.makefile("wb", 0) as writing:
        try:
            shutil.copyfileobj(reading, writing, 65_536)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has closed the connection; so are we
