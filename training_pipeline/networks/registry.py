"""Every model that can be trained: a name, the features it hears, how it is fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, FeatureSpec
from training_pipeline.errors import UnknownModelError

if TYPE_CHECKING:
    import keras


class Fit(Protocol):
    """Features `[n, frames, bins]`, label indices `[n]`, number of labels, seed -> features to logits `[n, labels]`.

    `checkpoints` is a folder that belongs to this one fit, so that an interrupted training goes on from there (see
    `networks/epochs.py`); a network that trains within moments does without.
    """

    def __call__(
        self,
        x: npt.NDArray[np.float32],
        y: npt.NDArray[np.intp],
        labels: int,
        seed: int,
        checkpoints: Path | None = None,
    ) -> keras.Model:
        """Train from `seed`: the same inputs give the same model, also after an interruption."""
        ...


@dataclass(frozen=True)
class Network:
    """An entry of the registry. `provenance` is that of pretrained weights it starts from."""

    name: str
    spec: FeatureSpec
    fit: Fit
    provenance: Callable[[], dict[str, str]] = dict


def _fit_mlp(
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.intp],
    labels: int,
    seed: int,
    checkpoints: Path | None = None,  # noqa: ARG001 - trains within moments
) -> keras.Model:
    from training_pipeline.networks import mlp

    return mlp.to_keras(*mlp.fit(x, y, labels, seed), x.shape[1:])


def _fit_ann(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int, checkpoints: Path | None = None
) -> keras.Model:
    from training_pipeline.networks import ann

    return ann.fit(x, y, labels, seed, checkpoints)


def _fit_edge(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int, checkpoints: Path | None = None
) -> keras.Model:
    from training_pipeline.networks.edge import fit as edge

    return edge.fit(x, y, labels, seed, checkpoints)


def _fit_whisper(recipe: str) -> Fit:
    def fit(
        x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int, checkpoints: Path | None = None
    ) -> keras.Model:
        from training_pipeline.networks.whisper import fit as whisper
        from training_pipeline.networks.whisper.recipe import RECIPES

        return whisper.fit(x, y, labels, seed, checkpoints, RECIPES[recipe])

    return fit


def _whisper_provenance() -> dict[str, str]:
    from training_pipeline.networks.whisper.weights import PROVENANCE

    return PROVENANCE


NETWORKS = {
    network.name: network
    for network in (
        Network("mlp", SEED_SPEC, _fit_mlp),
        Network("ann", SEED_SPEC, _fit_ann),
        Network("whisper", WHISPER_SPEC, _fit_whisper("whisper"), _whisper_provenance),
        Network("whisper-frozen", WHISPER_SPEC, _fit_whisper("whisper-frozen"), _whisper_provenance),
        Network("whisper-first", WHISPER_SPEC, _fit_whisper("whisper-first"), _whisper_provenance),
        Network("edge", WHISPER_SPEC, _fit_edge, _whisper_provenance),
    )
}


def find(name: str) -> Network:
    """The network of that name. Raises UnknownModelError, naming those there are."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise UnknownModelError(f"no model {name!r}: there are {', '.join(sorted(NETWORKS))}") from None
