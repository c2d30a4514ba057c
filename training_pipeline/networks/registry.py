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
from training_pipeline.networks.edge import recipe as edge
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.whisper import recipe as whisper

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
    calibrated: bool = True
    """Whether a second fit, on fewer speakers, gives the temperature; a trial is asked for labels alone."""


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


def _fit_edge(student: edge.Student) -> Fit:
    def fit(
        x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int, checkpoints: Path | None = None
    ) -> keras.Model:
        from training_pipeline.networks.edge.fit import fit as fit_edge

        return fit_edge(x, y, labels, seed, checkpoints, student)

    return fit


def _fit_whisper(recipe: Recipe) -> Fit:
    def fit(
        x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int, checkpoints: Path | None = None
    ) -> keras.Model:
        from training_pipeline.networks.whisper.fit import fit as fit_whisper

        return fit_whisper(x, y, labels, seed, checkpoints, recipe)

    return fit


def _whisper_provenance() -> dict[str, str]:
    from training_pipeline.networks.pretrained.weights import PROVENANCE

    return PROVENANCE


def _pretrained(name: str, fit: Fit, calibrated: bool = True) -> Network:
    return Network(name, WHISPER_SPEC, fit, _whisper_provenance, calibrated)


NETWORKS = {
    network.name: network
    for network in (
        Network("mlp", SEED_SPEC, _fit_mlp),
        Network("ann", SEED_SPEC, _fit_ann),
        *(_pretrained(name, _fit_whisper(recipe)) for name, recipe in whisper.RECIPES.items()),
        _pretrained("edge", _fit_edge(edge.Student())),
    )
}
TRIALS = {
    name: _pretrained(name, fit, calibrated=False)
    for name, fit in (
        *((name, _fit_whisper(recipe)) for name, recipe in whisper.TRIALS.items()),
        *((name, _fit_edge(student)) for name, student in edge.TRIALS.items()),
    )
}
"""What was tried and not taken, under `MODEL/CHANGE`: evaluated where asked for by name, never served."""


def find(name: str, trials: bool = False) -> Network:
    """The network of that name, with `trials` also a trial. Raises UnknownModelError, naming those there are."""
    known = NETWORKS | TRIALS if trials else NETWORKS
    try:
        return known[name]
    except KeyError:
        raise UnknownModelError(f"no model {name!r}: there are {', '.join(sorted(known))}") from None
