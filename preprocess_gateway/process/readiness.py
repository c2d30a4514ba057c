"""Which workers of a gateway take connections: those that know their models, and the one with the fewest first."""

from __future__ import annotations

import time
from typing import Final

from preprocess_gateway.core.served_models import ServedModels
from preprocess_gateway.quotas import Ledger

WAIT_S: Final = 30.0
"""Seconds after its start for which a worker waits for the first answers about its models, and for models beside the
default one that another worker knows: the model server may no longer have them."""


class Readiness:
    """How many models this worker and the others know. Only the worker's loop calls `look`; the rest is thread-safe.

    A worker that knows fewer models than another leaves connections to that one, so that no request reaches a worker
    that cannot answer while another could; the default model counts more than all others together. If no worker knows a
    model, all take connections and refuse requests.
    """

    def __init__(self, ledger: Ledger, models: ServedModels) -> None:
        self._ledger = ledger
        self._models = models
        self._begun = time.monotonic()
        self._known = self._rank = 0
        self._leaving = False

    def look(self) -> None:
        """Tell the other workers what this one knows by now."""
        if self._known < len(self._models):
            self._known = sum(model.ready for model in self._models)
            ready = self._models.default.ready
            self._rank = self._known + ready * len(self._models)  # the default model counts more than all others
            self._ledger.tell("models", self._rank)
            self._ledger.tell("ready", ready)
            if self._leaving:  # SIGTERM may have come during the line above
                self._ledger.tell("ready", 0)

    def count(self, connections: int) -> None:
        """Tell the other workers how many connections this one has."""
        self._ledger.tell("connections", 1 + connections if self.takes_connections else 0)

    def has_more_than_another(self, connections: int) -> bool:
        """Whether another worker that takes connections has fewer than this one."""
        return 1 + connections > self._ledger.least("connections") > 0

    @property
    def settled(self) -> bool:
        """Whether this worker takes connections whatever the others know."""
        return self._known == len(self._models) or (self._models.default.ready and self._waited)

    @property
    def takes_connections(self) -> bool:
        """Whether this worker is settled, or has asked for every model and no other knows more."""
        asked = self._models.asked or self._waited
        return self.settled or (asked and self._rank >= self._ledger.most("models"))

    @property
    def keeps_connections(self) -> bool:
        """Whether to keep connections alive; if not, a client's next connection may reach a worker that can answer."""
        return self._models.default.ready and not self._leaving

    @property
    def gateway_ready(self) -> bool:
        """Whether a worker that is not being stopped knows the default model."""
        return bool(self._ledger.most("ready"))

    @property
    def _waited(self) -> bool:
        return time.monotonic() - self._begun > WAIT_S

    def leave(self) -> None:
        """Note that this worker is being stopped; it still takes connections."""
        self._leaving = True
        self._ledger.tell("ready", 0)

    def end(self) -> None:
        """Note that this worker takes no more connections."""
        self._ledger.tell("models", 0)
        self._ledger.tell("connections", 0)
