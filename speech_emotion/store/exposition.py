"""Says over HTTP how a copy of a store is: `/readyz` for a probe, `/metrics` for Prometheus."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from speech_emotion.store.follow import Follower
from speech_emotion.store.sync import Copy


class CopyMetrics(Collector):
    """What Prometheus is told of a copy, as it is at the moment of a scrape."""

    def __init__(self, follower: Follower, copy: Copy) -> None:
        self._follower, self._copy = follower, copy

    def collect(self) -> Iterator[Metric]:
        """The metrics; the table of docs/operations.md explains them."""
        yield GaugeMetricFamily(
            "speech_emotion_store_synced_timestamp_seconds",
            "Unix time of the last look at which the copy was equal to the store; 0 before the first one, in seconds.",
            self._follower.synced_at,
        )
        yield CounterMetricFamily(
            "speech_emotion_store_sync_failures_total", "Looks at the store that failed.", self._follower.failures
        )
        yield GaugeMetricFamily(
            "speech_emotion_store_copy_bytes",
            "Size of the copy, with a version on its way in.",
            self._copy.folder.size(),
        )


def registry_of(follower: Follower, copy: Copy) -> CollectorRegistry:
    """A registry with the metrics of one copy."""
    registry = CollectorRegistry()
    registry.register(CopyMetrics(follower, copy))
    return registry


@contextmanager
def served(host: str, port: int, follower: Follower, copy: Copy) -> Iterator[int]:
    """Answer on `host` (empty: every address of both families), from threads, while inside; yields the port.

    Raises OSError if the address cannot be used.
    """
    registry = registry_of(follower, copy)

    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds for a client to send its request

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4)
                case "/readyz" if follower.ready:
                    self._answer(200, b"ready\n")
                case "/readyz":
                    self._answer(503, f"{follower.problem or 'the first copy is being made'}\n".encode())
                case _:
                    self._answer(404, b"not found\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes are not logged."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        both = not host and socket.has_dualstack_ipv6()
        address_family = socket.AF_INET6 if both or ":" in host else socket.AF_INET

        def server_bind(self) -> None:
            if self.address_family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not self.both)
            super().server_bind()

    with Server((host, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="exposition", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
