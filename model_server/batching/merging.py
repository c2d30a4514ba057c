"""Inputs of several requests as one array each, and results as rows for each request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_server.errors import failed_precondition, invalid_argument

Arrays = Sequence[NDArray[Any]]
_MAX_PADDED_RANK = 6


def rows(arrays: Arrays) -> int:
    """The common first dimension of a request's inputs. Raises ServingError if there is none."""
    if not arrays:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    for array in arrays:
        if array.ndim == 0:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        if len(array) != len(arrays[0]):
            raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return len(arrays[0])


def merged(name: str, arrays: Arrays, missing: int, *, pad: bool) -> NDArray[Any]:
    """The input `name` of several requests as one array, with `missing` rows more to fill a batch up.

    Raises ServingError if the shapes differ beside the first dimension; with `pad` they are made equal.
    """
    if pad:
        arrays = _padded(arrays)
    elif any(array.shape[1:] != arrays[0].shape[1:] for array in arrays):
        raise failed_precondition(
            f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
            "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
            "dimensions starting with the first dim."
        )
    if missing:
        arrays = [*arrays, np.repeat(arrays[-1][:1], missing, axis=0)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def pieces(arrays: Arrays, sizes: Sequence[int]) -> list[Arrays]:
    """Consecutive rows of the arrays, `sizes` of them a piece."""
    if len(sizes) == 1:
        return [arrays]
    ends = np.cumsum(sizes)
    return [[array[end - size : end] for array in arrays] for size, end in zip(sizes, ends, strict=True)]


def _padded(arrays: Arrays) -> Arrays:
    """The arrays at one shape beside the first dimension, each continued with its own first value."""
    if len({array.ndim for array in arrays}) > 1:
        raise failed_precondition("Tensors of different tasks have different ranks, which no padding can make equal.")
    if arrays[0].ndim > _MAX_PADDED_RANK:
        raise invalid_argument("Only tensors with rank from 1 to 6 can be padded.")
    shape = np.max([array.shape[1:] for array in arrays], axis=0)
    return [_continued(array, tuple(shape)) for array in arrays]


def _continued(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.shape[1:] == shape:
        return array
    if array.size == 0:
        raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
    padded = np.full((len(array), *shape), array.flat[0], array.dtype)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded
