"""Comparisons of both labels on the same clip, beside the requests and never in their way."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import SpeechEmotionError

log = logging.getLogger(__name__)
MAX_WAITING = 4  # comparisons that may hold a clip in memory; more are skipped


class Shadow:
    """Hears a share of clips a second time, with the label that did not answer."""

    def __init__(self, share: float, metrics: Metrics) -> None:
        self._share = share
        self._metrics = metrics
        self._places = threading.Semaphore(MAX_WAITING)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shadow")

    def close(self) -> None:
        """Forget what waits, end what runs."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def wanted(self) -> bool:
        """Whether a clip is among the share."""
        return random.random() < self._share  # noqa: S311 - a sample, not a secret

    def compare(self, answered: str | None, other: Callable[[], str | None]) -> None:
        """Count whether `other()` finds the emotion that was answered; returns at once."""
        if not self._places.acquire(blocking=False):
            self._metrics.shadow_comparisons.labels("skipped").inc()
            return
        self._executor.submit(self._compare, answered, other)

    def _compare(self, answered: str | None, other: Callable[[], str | None]) -> None:
        outcome = "failed"
        try:
            outcome = "agree" if other() == answered else "disagree"
        except SpeechEmotionError as error:
            log.warning("a comparison failed: %s", error)
        finally:
            self._places.release()
            self._metrics.shadow_comparisons.labels(outcome).inc()
