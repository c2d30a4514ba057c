"""Ids of a request: its own, and those of the trace that it belongs to (W3C Trace Context, version 00)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from preprocess_gateway.context import Metadata

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Trace:
    """A request's ids; `span_id` is the gateway's own part of the trace."""

    request_id: str
    trace_id: str
    span_id: str
    flags: str

    @classmethod
    def of(cls, request_id: str | None, traceparent: str | None) -> Trace:
        """Continue what the client began; an id that is missing or malformed is replaced."""
        if request_id is None or not REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(16)
        found = TRACEPARENT.fullmatch(traceparent or "")
        trace_id, flags = (found[1], found[3]) if found else (secrets.token_hex(16), "00")
        return cls(request_id, trace_id, secrets.token_hex(8), flags)

    @property
    def metadata(self) -> Metadata:
        """What calls to the model server carry along."""
        traceparent = f"00-{self.trace_id}-{self.span_id}-{self.flags}"
        return (("traceparent", traceparent), ("x-request-id", self.request_id))


current: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the request that this thread answers, for its log lines."""


@contextmanager
def using(trace: Trace) -> Iterator[None]:
    """What this thread does while the block runs is for that request."""
    token = current.set(trace)
    try:
        yield
    finally:
        current.reset(token)
