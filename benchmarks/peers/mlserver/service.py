"""A custom runtime of MLServer with endpoints of its own, which take what the inference protocol has no place for."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from mlserver import MLModel
from mlserver.handlers import custom_handler

from benchmarks.peers.answers import load


class Speech(MLModel):
    """The model in the server's own process (`parallel_workers` 0): endpoints of one's own are not sent to others."""

    async def load(self) -> bool:
        """Load the model; MLServer calls it once."""
        self._answer = load()
        return True

    @custom_handler(rest_path="/form")
    async def form(self, request: Request) -> dict[str, Any]:
        """A clip as the form field `file`."""
        async with request.form() as fields:
            return self._answer(await fields["file"].read())

    @custom_handler(rest_path="/raw")
    async def raw(self, request: Request) -> dict[str, Any]:
        """A clip as the body."""
        return self._answer(await request.body())
