"""What an observer is, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.answer import Answer, PredictOptions
from speech_emotion.audio import AudioInfo

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A decoded clip: `samples` float32 `[channels, samples]` in -1..1, and what its file said."""

    samples: Array
    info: AudioInfo


@dataclass(frozen=True)
class Observation:
    """A clip that was answered. Arrays are shared with other observers: read them only.

    `features` float32 `[windows with speech, frames, bins]`, made by the spec of `version`, which answered as `options`
    say.
    """

    clip: Clip
    features: Array
    answer: Answer
    version: ServedVersion
    options: PredictOptions = field(default_factory=PredictOptions)

    @property
    def held_bytes(self) -> int:
        """Memory of the samples and features."""
        return self.clip.samples.nbytes + self.features.nbytes


class Observer(Protocol):
    """Listens to answered clips: compares, measures or keeps them. It never delays or changes an answer.

    What `wants` or `observe` raises is logged and counted, and reaches neither the client nor other observers.
    """

    @property
    def name(self) -> str:
        """The value of the label `observer` in the metrics."""

    def wants(self, answer: Answer) -> bool:
        """Whether to observe the clip of this answer. Called while the client waits: decide at once."""

    def observe(self, seen: Observation) -> None:
        """Do the work, in a thread of the observers. Several may call at once (`GATEWAY_OBSERVER_THREADS`)."""

    def close(self) -> None:
        """Let go of what is held; nothing is observed any more."""
