"""numpy arrays to TensorProto and back, without TensorFlow."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from speech_emotion.errors import ContractError
from speech_emotion.protos import tensor_pb2, tensor_shape_pb2, types_pb2

VALUE_BYTES = 4
MAX_VALUES = 2**22
"""As many as a gRPC message holds here (16 MiB); a single value may stand for more."""


def from_array(array: npt.NDArray[np.float32]) -> tensor_pb2.TensorProto:
    """A float32 array as little-endian `tensor_content`."""
    shape = tensor_shape_pb2.TensorShapeProto(dim=[{"size": size} for size in array.shape])
    content = np.ascontiguousarray(array, "<f4").tobytes()
    return tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=shape, tensor_content=content)


def to_array(tensor: tensor_pb2.TensorProto) -> npt.NDArray[np.float32]:
    """A float32 tensor in either encoding. Raises ContractError if it is none, or its size is not its shape's."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype != types_pb2.DT_FLOAT:
        raise ContractError(f"the model answered with type {tensor.dtype}, not float32")
    size, content = math.prod(shape), tensor.tensor_content
    if len(content) % VALUE_BYTES or min(shape, default=0) < 0 or size > MAX_VALUES:
        raise ContractError(f"the model answered {len(content)} bytes for shape {shape}")
    flat = np.frombuffer(content, "<f4") if content else np.array(tensor.float_val, "<f4")
    if flat.size == 1 and size > 1:  # the encoding repeats the last value
        flat = np.full(size, flat[0], "<f4")
    if flat.size != size:
        raise ContractError(f"the model answered {flat.size} values for shape {shape}")
    return flat.reshape(shape)
