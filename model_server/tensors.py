"""TensorProto to numpy and back, by TensorFlow's own rules and without TensorFlow's Python on the way."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from speech_emotion.protos import tensor_pb2, types_pb2

# dtype -> (numpy's dtype, the TensorProto field its values lie in)
_FIELDS: dict[int, tuple[np.dtype[Any], str]] = {
    types_pb2.DT_FLOAT: (np.dtype(np.float32), "float_val"),
    types_pb2.DT_DOUBLE: (np.dtype(np.float64), "double_val"),
    types_pb2.DT_HALF: (np.dtype(np.float16), "half_val"),
    types_pb2.DT_BFLOAT16: (np.dtype(ml_dtypes.bfloat16), "half_val"),
    types_pb2.DT_INT8: (np.dtype(np.int8), "int_val"),
    types_pb2.DT_INT16: (np.dtype(np.int16), "int_val"),
    types_pb2.DT_INT32: (np.dtype(np.int32), "int_val"),
    types_pb2.DT_INT64: (np.dtype(np.int64), "int64_val"),
    types_pb2.DT_UINT8: (np.dtype(np.uint8), "int_val"),
    types_pb2.DT_UINT16: (np.dtype(np.uint16), "int_val"),
    types_pb2.DT_UINT32: (np.dtype(np.uint32), "uint32_val"),
    types_pb2.DT_UINT64: (np.dtype(np.uint64), "uint64_val"),
    types_pb2.DT_BOOL: (np.dtype(np.bool_), "bool_val"),
    types_pb2.DT_COMPLEX64: (np.dtype(np.complex64), "scomplex_val"),
    types_pb2.DT_COMPLEX128: (np.dtype(np.complex128), "dcomplex_val"),
    types_pb2.DT_STRING: (np.dtype(object), "string_val"),
}
# A few bytes may ask for any size; where memory is overcommitted (as on Kubernetes' nodes) it would be handed out.
MAX_REPEATED_BYTES = 2**31  # that of a message


def type_name(dtype: int) -> str:
    """TensorFlow's name for a dtype as its messages print it: "float", "int32", "half"."""
    return str(types_pb2.DataType.Name(dtype)).removeprefix("DT_").lower()


def decode(proto: tensor_pb2.TensorProto) -> NDArray[Any]:
    """The array that `proto` holds. Raises ValueError where the real server fails to parse it.

    Content must fit the shape exactly; of listed values the last is repeated, and too many are cut.
    """
    if proto.dtype not in _FIELDS:
        raise ValueError(f"no tensors of type {type_name(proto.dtype)} are read")
    dtype, field = _FIELDS[proto.dtype]
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the shape is not fully known")
    count = math.prod(shape)
    if content := proto.tensor_content:
        if dtype.kind == "O" or len(content) != count * dtype.itemsize:
            raise ValueError("tensor_content does not fit the shape")
        return np.frombuffer(content, dtype).reshape(shape)
    values = _listed(getattr(proto, field), dtype, field)
    if len(values) >= count:
        return values[:count].reshape(shape)
    if count * dtype.itemsize > MAX_REPEATED_BYTES:
        raise ValueError("the shape asks for too many repetitions of a value")
    last = values[-1] if len(values) else (b"" if dtype.kind == "O" else 0)
    result = np.full(count, last, dtype)
    result[: len(values)] = values
    return result.reshape(shape)


def _listed(values: Any, dtype: np.dtype[Any], field: str) -> NDArray[Any]:
    if field == "half_val":
        return np.array(values, np.uint16).view(dtype)
    if field in ("scomplex_val", "dcomplex_val"):
        part = np.float32 if field == "scomplex_val" else np.float64
        return np.array(values, part).view(dtype)
    if field == "int_val":
        # A listed int32 that does not fit the narrower type is cut to its low bits, as C++ casts do.
        return np.array(values, np.int32).astype(dtype)
    return np.array(values, dtype)


def encode(array: NDArray[Any], dtype: int, proto: tensor_pb2.TensorProto) -> None:
    """Write `array` into the empty `proto` as listed values, which is how the real server answers."""
    numpy_dtype, field = _FIELDS[dtype]
    proto.dtype = dtype
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.astype(numpy_dtype, copy=False).ravel()
    if field == "half_val":
        flat = flat.view(np.uint16)
    elif field in ("scomplex_val", "dcomplex_val"):
        flat = flat.view(np.float32 if field == "scomplex_val" else np.float64)
    getattr(proto, field).extend(flat.tolist())


def encodable(dtype: int) -> bool:
    """Whether tensors of this dtype can be read and written here."""
    return dtype in _FIELDS
