"""Which label answers a client: a settable share goes to the canary, always the same clients."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True)
class Traffic:
    """Labels and the canary's share (0 to 1) of clients."""

    stable: str
    canary: str
    share: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that is worth resolving."""
        return (self.stable, self.canary)

    def choose(self, affinity_key: str, known: Container[str]) -> str:
        """The label for a client; the stable one while no version has the canary's label."""
        if self.share > 0 and self.canary in known and _position(affinity_key) < self.share:
            return self.canary
        return self.stable


def _position(affinity_key: str) -> float:
    """A client's fixed place in 0..1: a growing share keeps the clients that it had."""
    digest = hashlib.blake2b(affinity_key.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
