"""Which version a label means now, and that version's features and labels."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from preprocess_gateway.errors import ModelUnavailableError
from preprocess_gateway.serving.client import PredictClient
from speech_emotion.contract import Description

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedVersion:
    """A version as a label named it."""

    label: str
    version: int
    description: Description


class VersionResolver:
    """Asks for a label's version at an interval, in a thread of its own; requests read from memory."""

    def __init__(
        self, client: PredictClient, label: str, interval_s: float, warm: Callable[[Description], object]
    ) -> None:
        self._client = client
        self._label = label
        self._interval_s = interval_s
        self._warm = warm
        self._current: ServedVersion | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="version-resolver", daemon=True)

    def start(self) -> None:
        """Begin to resolve."""
        self._thread.start()

    def close(self) -> None:
        """Stop resolving."""
        self._closed.set()
        self._thread.join(timeout=5)

    @property
    def ready(self) -> bool:
        """Whether the label was ever resolved."""
        return self._current is not None

    def current(self) -> ServedVersion:
        """The version resolved last. Raises ModelUnavailableError before the first."""
        if self._current is None:
            raise ModelUnavailableError(f"no version with the label {self._label} has been seen yet")
        return self._current

    def resolve(self, timeout_s: float = 2.0) -> ServedVersion:
        """Ask now; raises what `PredictClient.describe` does and keeps the version known before."""
        version, description = self._client.describe(self._label, timeout_s)
        if self._current is None or self._current.version != version:
            self._warm(description)  # before the first request, which would pay for it
            log.info("label %s means version %d", self._label, version)
        self._current = ServedVersion(self._label, version, description)
        return self._current

    def _run(self) -> None:
        last = ""
        while not self._closed.is_set():
            try:
                self.resolve()
                last = ""
            except Exception as error:  # noqa: BLE001 - a version that cannot even be warmed must not end the thread
                reason = _reason(error)
                if reason != last:
                    log.warning("label %s cannot be resolved: %s", self._label, reason)
                last = reason
            self._closed.wait(self._interval_s)


def _reason(error: Exception) -> str:
    cause = error.__cause__
    # The server's own words help whoever runs it; clients are not shown them.
    return f"{error} ({cause.details()})" if isinstance(cause, grpc.RpcError) else str(error) or type(error).__name__
