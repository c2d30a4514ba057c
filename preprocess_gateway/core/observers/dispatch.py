"""Clips to observers: after the answer, in threads of their own, bounded in memory and in work at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

from preprocess_gateway.core.observers.observer import Observation, Observer
from preprocess_gateway.telemetry import tracing
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import SpeechEmotionError

log = logging.getLogger(__name__)


class Observers:
    """Tells every observer about the clips that it wants."""

    def __init__(self, observers: Sequence[Observer], metrics: Metrics, threads: int, max_held_bytes: int) -> None:
        """At most `threads` clips are observed at once; those and the waiting ones hold `max_held_bytes` at most."""
        self._observers = tuple(observers)
        self._metrics = metrics
        self._max_held_bytes = max_held_bytes
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="observer")
        for observer in self._observers:
            for outcome in ("observed", "failed", "dropped"):
                metrics.observations.labels(observer.name, outcome)

    def tell(self, seen: Observation) -> None:
        """Hand a clip to the observers that want it; returns at once. A clip for which there is no room is dropped."""
        wanting = [observer for observer in self._observers if self._wants(observer, seen)]
        if not wanting:
            return
        if not self._hold(seen.held_bytes):
            for observer in wanting:
                self._count(observer, "dropped")
            return
        context = Context()  # with the request's ids for log lines, but not with the request, whose memory would stay
        context.run(tracing.current.set, tracing.current.get())
        try:
            self._executor.submit(context.run, self._observe, wanting, seen)
        except RuntimeError:  # closed meanwhile
            self._hold(-seen.held_bytes)

    def close(self) -> None:
        """Forget what waits, wait for what runs, then close every observer."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        for observer in self._observers:
            try:
                observer.close()
            except Exception as error:  # noqa: BLE001 - what comes after it must still be closed
                self._failed(observer, error)

    def _wants(self, observer: Observer, seen: Observation) -> bool:
        try:
            return observer.wants(seen.answer)
        except Exception as error:  # noqa: BLE001 - whatever it raises must not reach the client
            self._failed(observer, error)
            return False

    def _observe(self, wanting: Sequence[Observer], seen: Observation) -> None:
        try:
            for observer in wanting:
                try:
                    observer.observe(seen)
                except BaseException as error:  # noqa: BLE001 - even one that calls sys.exit must not go unnoticed
                    self._failed(observer, error)
                else:
                    self._count(observer, "observed")
        finally:
            self._hold(-seen.held_bytes)

    def _failed(self, observer: Observer, error: BaseException) -> None:
        self._count(observer, "failed")
        expected = isinstance(error, SpeechEmotionError)
        log.warning("the observer %s failed: %s", observer.name, error, exc_info=None if expected else error)

    def _count(self, observer: Observer, outcome: str) -> None:
        self._metrics.observations.labels(observer.name, outcome).inc()

    def _hold(self, count: int) -> bool:
        with self._lock:
            if count > 0 and self._held_bytes + count > self._max_held_bytes:
                return False
            self._held_bytes += count
            return True
