"""Keras training by epochs that goes on from its last checkpoint, to the same weights as without a break."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from speech_emotion.files import whole_file

_log = logging.getLogger(__name__)


def fit_epochs(
    model: keras.Model,
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.intp],
    *,
    epochs: int,
    batch_size: int,
    checkpoints: Path | None = None,
    every: int = 10,
) -> None:
    """Train a freshly built, seeded and compiled `model`; with a folder, go on from the checkpoint there.

    Every `every` epochs the weights, the optimizer and the dropout seeds are kept: with all of them an interrupted
    training ends at the very numbers of an uninterrupted one. The folder belongs to this one fit.
    """
    path = checkpoints / "last.npz" if checkpoints else None
    begun = _restore(model, path) if path and path.is_file() else 0
    if begun:
        _log.info("resuming after epoch %d of %d, from %s", begun, epochs, path)
    while begun < epochs:
        end = min(begun + every, epochs) if path else epochs
        model.fit(x, y, batch_size=batch_size, epochs=end, initial_epoch=begun, verbose=0)
        begun = end
        if path:
            _save(model, path, begun)


def _state(model: keras.Model) -> list[Any]:
    # `variables` has the seeds of dropout besides the weights.
    return [*model.variables, *model.optimizer.variables]


def _save(model: keras.Model, path: Path, epoch: int) -> None:
    arrays = {f"v{number}": variable.numpy() for number, variable in enumerate(_state(model))}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, epoch=np.array(epoch), **arrays)


def _restore(model: keras.Model, path: Path) -> int:
    model.optimizer.build(model.trainable_variables)
    with np.load(path, allow_pickle=False) as kept:
        for number, variable in enumerate(_state(model)):
            variable.assign(kept[f"v{number}"])
        return int(kept["epoch"])
