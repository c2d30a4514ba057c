"""Says over HTTP how a copy of a store is: `/readyz` for a probe, `/metrics` for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from speech_emotion.listening import EVERY_ADDRESS, listening_host
from speech_emotion.probes import Answer, AnswerServer
from speech_emotion.store.follow import Follower
from speech_emotion.store.sync import Copy

TEXT = "text/plain; charset=utf-8"


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

    def answer(path: str) -> Answer:
        match path:
            case "/metrics":
                return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)
            case "/readyz" if follower.ready:
                return 200, TEXT, b"ready\n"
            case "/readyz":
                return 503, TEXT, f"{follower.problem or 'the first copy is being made'}\n".encode()
            case _:
                return 404, TEXT, b"not found\n"

    server = AnswerServer(listening_host(host or EVERY_ADDRESS), port, answer)
    port = server.start()
    try:
        yield port
    finally:
        server.close()
