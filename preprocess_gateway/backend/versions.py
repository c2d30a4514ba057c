"""Which version a label means now, and how that version hears and what it tells apart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import grpc

from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.backend.connection import VersionNotFoundError
from preprocess_gateway.errors import ModelUnavailableError
from speech_emotion.contract import Description

log = logging.getLogger(__name__)
START_S = 10.0
"""Seconds in which a model server that starts together with the gateway may be away without a warning."""
START_INTERVAL_S = 0.2
"""Seconds between two questions until the model server has answered one."""


@dataclass(frozen=True)
class ServedVersion:
    """A version as a label named it."""

    label: str
    version: int
    description: Description


class VersionResolver:
    """Asks what labels mean at an interval, in a thread of its own; requests read from memory.

    The first label is the one that must be there; a further one (a canary's) may come and go.
    """

    def __init__(
        self,
        client: PredictClient,
        labels: Sequence[str],
        interval_s: float,
        warm: Callable[[Description], object],
        look: Callable[[], object] = lambda: None,
    ) -> None:
        """`warm` is called for each new version, and `look` after each round over the labels."""
        self._client = client
        self._labels = tuple(labels)
        self._interval_s = interval_s
        self._warm = warm
        self._look = look
        self._lock = threading.Lock()
        self._known: Mapping[str, ServedVersion] = {}  # replaced, never changed: who reads it holds no lock
        self._reasons: dict[str, str] = {}
        self._begun = time.monotonic()
        self._asked = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"version-resolver-{client.model_name}", daemon=True)

    def start(self) -> None:
        """Begin to resolve."""
        self._thread.start()

    def close(self) -> None:
        """Stop resolving."""
        self._closed.set()
        self._thread.join(timeout=5)

    @property
    def ready(self) -> bool:
        """Whether the first label was ever resolved."""
        return self._labels[0] in self._known

    @property
    def asked(self) -> bool:
        """Whether each label was asked for once, with whatever outcome, and what was found is warm."""
        return self._asked.is_set()

    @property
    def known(self) -> Mapping[str, ServedVersion]:
        """What each label meant when last asked."""
        return self._known

    def current(self, label: str) -> ServedVersion:
        """The version resolved last. Raises ModelUnavailableError if there is none."""
        try:
            return self._known[label]
        except KeyError:
            raise ModelUnavailableError(f"no version with the label {label} has been seen") from None

    def resolve(self, label: str, timeout_s: float = 2.0) -> ServedVersion:
        """Ask now; raises what `PredictClient.describe` does and keeps the version known before."""
        version, description = self._client.describe(label, timeout_s)
        before = self._known.get(label)
        if before is None or before.version != version:
            self._warm(description)  # before the first request, which would pay for it
            log.info("%s: the label %s points at version %d", self._client.model_name, label, version)
        served = ServedVersion(label, version, description)
        with self._lock:  # requests resolve too, and what one of them learned must not be lost
            self._known = {**self._known, label: served}
        return served

    def _run(self) -> None:
        while not self._closed.is_set():
            for label in self._labels:
                self._try(label)
            self._asked.set()
            self._look()
            self._closed.wait(self._interval_s if self.ready else min(START_INTERVAL_S, self._interval_s))

    def _try(self, label: str) -> None:
        try:
            self.resolve(label)
            reason = ""
        except VersionNotFoundError as error:
            reason = _reason(error)
            if label != self._labels[0]:
                self._forget(label)
                return
        except ModelUnavailableError as error:
            if not self.ready and time.monotonic() - self._begun < START_S:
                return
            reason = _reason(error)
        except Exception as error:  # noqa: BLE001 - a version that cannot even be warmed must not end the thread
            reason = _reason(error)
        if reason and reason != self._reasons.get(label):
            log.warning("%s: the label %s cannot be resolved: %s", self._client.model_name, label, reason)
        self._reasons[label] = reason

    def _forget(self, label: str) -> None:
        with self._lock:
            known = {name: served for name, served in self._known.items() if name != label}
            gone, self._known = len(known) < len(self._known), known
        if gone:
            log.info("%s: the label %s no longer points at a version", self._client.model_name, label)


def _reason(error: Exception) -> str:
    cause = error.__cause__
    # The server's own words help whoever runs it; clients are not shown them.
    return f"{error} ({cause.details()})" if isinstance(cause, grpc.RpcError) else str(error) or type(error).__name__
