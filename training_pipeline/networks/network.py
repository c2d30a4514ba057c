"""What a network is to the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from speech_emotion.features import FeatureSpec

if TYPE_CHECKING:
    import keras


class Fit(Protocol):
    """Features `[n, frames, bins]`, class indices `[n]`, number of classes, seed -> features to logits `[n, classes]`.

    A network that `takes_shares` may be given rows `[n, classes]` in place of indices, as `training/shares.py` makes
    them: shares of classes, whose sum is the example's weight, and -1 for a class of which nothing is known.
    `checkpoints` is a folder that belongs to this one fit, so that an interrupted training goes on from there (see
    `networks/epochs.py`); a network that trains within moments does without.
    """

    def __call__(
        self,
        x: npt.NDArray[np.float32],
        y: npt.NDArray[Any],
        classes: int,
        seed: int,
        checkpoints: Path | None = None,
    ) -> keras.Model:
        """Train from `seed`: the same inputs give the same model, also after an interruption."""
        ...


@dataclass(frozen=True)
class Network:
    """A model that can be trained: a name, the features it hears, how it is fitted.

    It is registered under its name as an entry point of the group `speech_emotion.networks`. Its module is imported
    wherever networks are listed or found: the fit imports Keras itself.
    """

    name: str
    spec: FeatureSpec
    fit: Fit
    provenance: Callable[[], dict[str, str]] = dict
    """Where pretrained weights are from, their licences, and their SHA-256: for the card, and for what work follows
    from."""
    calibrated: bool = True
    """Whether a second fit, on fewer speakers, gives the temperature; a trial is asked for emotions alone."""
    takes_shares: bool = False
    """Whether `fit` can leave classes open that an example's label cannot tell, and weigh examples."""
    trials: tuple[Network, ...] = ()
    """What was tried and not taken, named `MODEL/CHANGE`: evaluated where asked for by name, never served."""
