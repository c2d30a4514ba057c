"""What a feature block is: one part of the features, with its parameters and how it is computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from speech_emotion.plugins import Group

if TYPE_CHECKING:
    from speech_emotion.features.spec import FeatureSpec
    from speech_emotion.features.spectrum import Spectrum


class Frozen(BaseModel):
    """Fields that cannot change, all of them known; each has a text under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Block(Frozen, ABC):
    """One part of a specification's features. Its fields are bounded, as a specification may come from anywhere.

    A subclass is registered under its `kind` as an entry point of the group `speech_emotion.feature_blocks`.
    """

    kind: str
    """The block's name: a `Literal` with itself as default."""

    @property
    @abstractmethod
    def bins(self) -> int:
        """Values per frame."""

    @abstractmethod
    def compute(self, spectrum: Spectrum) -> npt.NDArray[np.float32]:
        """Features of one window, float32 `[bins, frames]`, from its spectrum alone."""

    def check(self, spec: FeatureSpec) -> None:
        """Raise ValueError if the block does not go with the rest of a specification."""


def _is_block(loaded: object) -> bool:
    return isinstance(loaded, type) and issubclass(loaded, Block)


BLOCKS = Group[type[Block]](
    "speech_emotion.feature_blocks", "feature block", _is_block, lambda block: str(block.model_fields["kind"].default)
)
"""Every installed feature block by its `kind`."""
