"""The networks that come with the project, as `pyproject.toml` registers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from speech_emotion.features import SEED_SPEC, WHISPER_SPEC
from training_pipeline.networks.edge import recipe as edge
from training_pipeline.networks.network import Fit, Network
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.whisper import recipe as whisper

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.float32]
Targets = npt.NDArray[Any]
Provenance = Callable[[], dict[str, str]]


def _fit_mlp(
    x: Array,
    y: Targets,
    classes: int,
    seed: int,
    checkpoints: Path | None = None,  # noqa: ARG001 - trains within moments
) -> keras.Model:
    from training_pipeline.networks import mlp

    return mlp.to_keras(*mlp.fit(x, y, classes, seed), x.shape[1:])


def _fit_ann(x: Array, y: Targets, classes: int, seed: int, checkpoints: Path | None = None) -> keras.Model:
    from training_pipeline.networks import ann

    return ann.fit(x, y, classes, seed, checkpoints)


def _fit_edge(student: edge.Student) -> Fit:
    def fit(x: Array, y: Targets, classes: int, seed: int, checkpoints: Path | None = None) -> keras.Model:
        from training_pipeline.networks.edge.fit import fit as fit_edge

        return fit_edge(x, y, classes, seed, checkpoints, student)

    return fit


def _fit_edge_by_base(student: edge.Student) -> Fit:
    def fit(x: Array, y: Targets, classes: int, seed: int, checkpoints: Path | None = None) -> keras.Model:
        from training_pipeline.networks.edge.fit import fit as fit_edge
        from training_pipeline.networks.pretrained.base_weights import load_base_weights

        return fit_edge(x, y, classes, seed, checkpoints, student, teacher_weights=load_base_weights())

    return fit


def _fit_whisper(recipe: Recipe) -> Fit:
    def fit(x: Array, y: Targets, classes: int, seed: int, checkpoints: Path | None = None) -> keras.Model:
        from training_pipeline.networks.whisper.fit import fit as fit_whisper

        return fit_whisper(x, y, classes, seed, checkpoints, recipe)

    return fit


def _fit_whisper_base(recipe: Recipe) -> Fit:
    def fit(x: Array, y: Targets, classes: int, seed: int, checkpoints: Path | None = None) -> keras.Model:
        from training_pipeline.networks.pretrained.base_weights import load_base_weights
        from training_pipeline.networks.whisper.fit import fit as fit_whisper

        return fit_whisper(x, y, classes, seed, checkpoints, recipe, load_base_weights())

    return fit


def _provenance() -> dict[str, str]:
    from training_pipeline.networks.pretrained.weights import PROVENANCE

    return PROVENANCE


def _base_provenance() -> dict[str, str]:
    from training_pipeline.networks.pretrained.base_weights import PROVENANCE

    return PROVENANCE


def _provenance_of_both() -> dict[str, str]:
    """The student's own, and the teacher's."""
    return {**_provenance(), **{f"teacher's {name}": value for name, value in _base_provenance().items()}}


def _pretrained(
    name: str,
    fit: Fit,
    trials: dict[str, Fit],
    provenance: Provenance = _provenance,
    *,
    takes_shares: bool = False,
) -> Network:
    network = Network(name, WHISPER_SPEC, fit, provenance, takes_shares=takes_shares)
    tried = [replace(network, name=own, fit=f, calibrated=False) for own, f in trials.items() if _model(own) == name]
    return replace(network, trials=tuple(tried))


def _model(trial: str) -> str:
    return trial.partition("/")[0]


def _whisper(
    name: str, fit_by: Callable[[Recipe], Fit] = _fit_whisper, provenance: Provenance = _provenance
) -> Network:
    trials = {trial: fit_by(recipe) for trial, recipe in whisper.TRIALS.items()}
    return _pretrained(name, fit_by(whisper.RECIPES[name]), trials, provenance, takes_shares=True)


def _whisper_base(name: str) -> Network:
    return _whisper(name, _fit_whisper_base, _base_provenance)


MLP = Network("mlp", SEED_SPEC, _fit_mlp)
ANN = Network("ann", SEED_SPEC, _fit_ann)
WHISPER = _whisper("whisper")
WHISPER_FROZEN = _whisper("whisper-frozen")
WHISPER_ONE_BLOCK = _whisper("whisper-one-block")
WHISPER_BASE_FROZEN = _whisper_base("whisper-base-frozen")
WHISPER_BASE = _whisper_base("whisper-base")
WHISPER_LARGE = _whisper_base("whisper-large")
EDGE_BASE = Network("edge-base", WHISPER_SPEC, _fit_edge_by_base(edge.BY_BASE), _provenance_of_both, takes_shares=True)
EDGE = _pretrained(
    "edge", _fit_edge(edge.Student()), {trial: _fit_edge(student) for trial, student in edge.TRIALS.items()}
)
