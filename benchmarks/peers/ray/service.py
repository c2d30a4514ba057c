"""A deployment of Ray Serve with one replica: `python service.py`."""

from __future__ import annotations

import os
import signal
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.answers import load


@serve.deployment
class Speech:
    """The model in one replica."""

    def __init__(self) -> None:
        self._answer = load()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """A clip as the form field `file`, or as the body."""
        if request.url.path == "/raw":
            return self._answer(await request.body())
        async with request.form() as fields:
            return self._answer(await fields["file"].read())


if __name__ == "__main__":
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Speech.bind())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
