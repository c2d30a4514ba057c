"""Pages of other sites: which may ask this service from a browser (CORS)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Flask
from flask_cors import CORS

from preprocess_gateway.http.predict import AFFINITY_KEY, OLD_AFFINITY_KEY

API = r"/(predict|v1/.*|(open|async)api\.json)\Z"
REQUEST_HEADERS = ("Content-Type", AFFINITY_KEY, OLD_AFFINITY_KEY, "X-Request-ID", "traceparent")
RESPONSE_HEADERS = ("Retry-After", "X-Request-ID")
PREFLIGHT_S = 3600  # how long a browser may remember what it was allowed


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Let the pages of `origins` use the API; `*` means any. None is allowed without them, and nothing changes."""
    if not origins:
        return
    # As patterns of their own, as the library takes a string with certain characters for one.
    patterns = [re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in origins]
    CORS(
        app,
        resources={API: {"origins": "*" if "*" in origins else patterns}},
        methods=["GET", "POST"],
        allow_headers=list(REQUEST_HEADERS),
        expose_headers=list(RESPONSE_HEADERS),
        max_age=PREFLIGHT_S,
        send_wildcard="*" in origins,
        vary_header=True,
        always_send=False,
    )
