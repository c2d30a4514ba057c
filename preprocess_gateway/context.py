"""What belongs to one request on its way through the gateway, and is no part of the clip."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Self

from preprocess_gateway.errors import DeadlineError

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RequestContext:
    """When a request must be answered (of `time.monotonic`), whose it is, and what its calls carry along.

    Without `may_retry` no call is made again, and none adds to the budget of retries.
    """

    deadline: float
    affinity_key: str = ""
    metadata: Metadata = ()
    may_retry: bool = True

    def left_s(self) -> float:
        """Seconds left. Raises DeadlineError if there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError("the request took too long")
        return left

    def half(self) -> Self:
        """The same request with half of the time that is left, so that another can still be asked."""
        now = time.monotonic()
        return replace(self, deadline=now + (self.deadline - now) / 2)
