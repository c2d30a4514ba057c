"""Windows of several streams that are ready at the same moment, asked about in one call."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.served_models import ServedModel
from speech_emotion.errors import ContractError

if TYPE_CHECKING:
    from preprocess_gateway.core.lane import Lane

Array = npt.NDArray[np.float32]
CONTENDED_WINDOWS = 2
"""In a call beside short requests, which would wait for a longer one."""


@dataclass(eq=False)
class _Question:
    key: tuple[str, int]
    features: Array
    context: RequestContext
    rows: Array | None = field(default=None)
    error: Exception | None = field(default=None)

    @property
    def answered(self) -> bool:
        return self.rows is not None or self.error is not None


class Together:
    """While one call is under way further questions gather, and the next call has them all: none waits for a batch."""

    def __init__(self, lane: Lane, most: int) -> None:
        """At most so many windows go in one call."""
        self._lane = lane
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Question] = []

    def ask(self, model: ServedModel, features: Array, version: ServedVersion, context: RequestContext) -> Array:
        """Probabilities `[windows, emotions]` of `[windows, frames, bins]`; raises what `ServedModel.ask` does.

        An error of a call is that of all who were in it, except for answers that break the contract: then each is
        asked about alone, as the windows of one of them may be the cause.
        """
        own = _Question((model.name, version.version), features, context)
        with self._lock:
            self._waiting.append(own)
        with self._lane.step(live=True):
            if not own.answered:
                self._answer(self._take(own), model, version)
        if own.error is not None:
            raise own.error
        assert own.rows is not None  # noqa: S101
        return own.rows

    def _take(self, first: _Question) -> list[_Question]:
        """Those that go with the first, which is among them."""
        most = min(self._most, CONTENDED_WINDOWS) if self._lane.contended else self._most
        with self._lock:
            taken, left, windows = [first], [], len(first.features)
            for question in self._waiting:
                if question is first:
                    continue
                if question.key == first.key and windows + len(question.features) <= most:
                    taken.append(question)
                    windows += len(question.features)
                else:
                    left.append(question)
            self._waiting = left
        return taken

    @staticmethod
    def _answer(questions: list[_Question], model: ServedModel, version: ServedVersion) -> None:
        latest = max(question.context.deadline for question in questions)
        context = replace(questions[0].context, deadline=latest)
        try:
            rows = model.ask(np.concatenate([question.features for question in questions]), version, context)
        except Exception as error:  # noqa: BLE001 - each who asked raises it
            if isinstance(error, ContractError) and len(questions) > 1:
                for question in questions:
                    Together._answer([question], model, version)
                return
            for question in questions:
                question.error = error
            return
        begin = 0
        for question in questions:
            question.rows = rows[begin : begin + len(question.features)]
            begin += len(question.features)
