"""A BentoML service with files as inputs: `bentoml serve service:Speech`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from benchmarks.peers.answers import load


@bentoml.service
class Speech:
    """The model in BentoML's one worker."""

    def __init__(self) -> None:
        self._answer = load()

    @bentoml.api
    def form(self, file: Path) -> dict[str, Any]:
        """A clip as the form field `file`."""
        return self._answer(file.read_bytes())

    @bentoml.api
    def raw(self, file: Annotated[Path, ContentType("audio/*")], /) -> dict[str, Any]:
        """A clip as the body."""
        return self._answer(file.read_bytes())
