"""Weights rounded to eight bits before a model is measured, so that a byte stores each without further loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
LEVELS = 127
LEAST = 1_024
"""Arrays of fewer values stay as they are: rounding them would save nothing."""


def rounded(values: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """Integers from -127 to 127 of the shape of `values`, and a factor for each of its columns (the last axis).

    Factors have eight significant bits, so that integer times factor is exact in float32, and rounding what was rounded
    gives the same integers and factors.
    """
    largest = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
    factors = np.maximum(largest, np.finfo(np.float32).tiny * LEVELS) / np.float32(LEVELS)
    factors = (factors.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.rint(np.clip(values / factors, -LEVELS, LEVELS)).astype(np.int8), factors


def round_weights(model: keras.Model) -> None:
    """Give every large matrix of the model its rounded values, in place."""
    for variable in model.variables:
        values = np.asarray(variable)
        if _is_large(values):
            integers, factors = rounded(values)
            variable.assign(integers * factors)


def _is_large(values: npt.NDArray[Any]) -> bool:
    return values.dtype == np.float32 and values.ndim > 1 and values.size >= LEAST
