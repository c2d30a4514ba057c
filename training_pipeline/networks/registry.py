"""Every model that can be trained: a name, the features it hears, how it is fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from speech_emotion.features import SEED_SPEC, FeatureSpec
from training_pipeline.errors import UnknownModelError

if TYPE_CHECKING:
    import keras

Fit = Callable[[npt.NDArray[np.float32], npt.NDArray[np.intp], int, int], "keras.Model"]
"""(features `[n, frames, bins]`, label indices `[n]`, number of labels, seed) -> features to logits `[n, labels]`."""


@dataclass(frozen=True)
class Network:
    """An entry of the registry."""

    name: str
    spec: FeatureSpec
    fit: Fit


def _fit_mlp(x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int) -> keras.Model:
    from training_pipeline.networks import mlp

    return mlp.to_keras(*mlp.fit(x, y, labels, seed), x.shape[1:])


def _fit_ann(x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int) -> keras.Model:
    from training_pipeline.networks import ann

    return ann.fit(x, y, labels, seed)


NETWORKS = {
    network.name: network for network in (Network("mlp", SEED_SPEC, _fit_mlp), Network("ann", SEED_SPEC, _fit_ann))
}


def find(name: str) -> Network:
    """The network of that name. Raises UnknownModelError, naming those there are."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise UnknownModelError(f"no model {name!r}: there are {', '.join(sorted(NETWORKS))}") from None
