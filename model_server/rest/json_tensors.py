"""JSON values to arrays by a signature's types, and back, in the real server's words.

Rows: `instances`, a list with one entry a row. Columns: `inputs`, one value a whole input.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_server import tensors
from model_server.errors import Code, ServingError, invalid_argument
from speech_emotion.protos import types_pb2

_INTEGERS: dict[int, np.dtype[Any]] = {
    getattr(types_pb2, f"DT_{name}"): np.dtype(name.lower())
    for name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
}
_FLOATS: dict[int, np.dtype[Any]] = {
    types_pb2.DT_FLOAT: np.dtype(np.float32),
    types_pb2.DT_DOUBLE: np.dtype(np.float64),
}

_OTHERS: dict[int, np.dtype[Any]] = {types_pb2.DT_BOOL: np.dtype(np.bool_), types_pb2.DT_STRING: np.dtype(object)}
_NUMPY_TYPES = {**_INTEGERS, **_FLOATS, **_OTHERS}
_MAX_DIMENSIONS = 32

Types = Mapping[str, int]
Arrays = dict[str, NDArray[Any]]


def arrays_from_rows(instances: Any, document: Any, types: Types) -> Arrays:
    """One array per input from the list `instances`. Raises ServingError."""
    if not isinstance(instances, list):
        raise invalid_argument(f"JSON Value: {pretty(document)} Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid_argument(f"JSON Value: {pretty(document)} No values in 'instances' array")
    named = isinstance(instances[0], dict) and not _is_base64(instances[0])
    if not named and len(types) != 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns: dict[str, list[Any]] = {name: [] for name in types}
    for index, instance in enumerate(instances):
        if not named:
            instance = {next(iter(types)): instance}
        elif not isinstance(instance, dict) or instance.keys() != types.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {pretty(instance)} "
                f"keys must be equal to: {','.join(sorted(types))}"
            )
        for name, value in instance.items():
            columns[name].append(value)
    return {name: _stack(values, types[name], f" key: {name}" if named else "") for name, values in columns.items()}


def _stack(values: list[Any], dtype: int, key: str) -> NDArray[Any]:
    """Rows of one input; each must have as many numbers as the first."""
    shape = _shape(values[0])
    rows = []
    for index, value in enumerate(values):
        try:
            leaves = [_scalar(leaf, dtype) for leaf in _leaves(value, _shape(value))]
            if len(leaves) != np.prod(shape, dtype=int):
                expected = int(np.prod(shape, dtype=int))
                raise invalid_argument(f"Expecting tensor size: {expected} but got: {len(leaves)}")
        except ServingError as error:
            message = f"Failed to process element: {index}{key} of 'instances' list. Error: {error}"
            raise invalid_argument(message) from error
        rows.extend(leaves)
    return _array(rows, dtype).reshape(len(values), *shape)


def arrays_from_columns(inputs: Any, types: Types) -> Arrays:
    """One array per input from the object (or, for a single input, the value) `inputs`. Raises ServingError."""
    if not isinstance(inputs, dict) or _is_base64(inputs):
        if len(types) != 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required "
                "as per tensorinfo_map"
            )
        inputs = {next(iter(types)): inputs}
    for name in types:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _column(inputs[name], dtype) for name, dtype in types.items()}


def _column(value: Any, dtype: int) -> NDArray[Any]:
    shape = _shape(value)
    leaves = [_scalar(leaf, dtype) for leaf in _leaves(value, shape)]
    expected = int(np.prod(shape, dtype=int))
    if len(leaves) != expected:
        raise invalid_argument(f"Expecting tensor size: {expected} but got: {len(leaves)}")
    return _array(leaves, dtype).reshape(shape)


def _array(leaves: list[Any], dtype: int) -> NDArray[Any]:
    if dtype not in _NUMPY_TYPES:  # only an empty list gets here
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON to type: {tensors.type_name(dtype)}")
    try:
        with np.errstate(over="ignore"):
            return np.array(leaves, _NUMPY_TYPES[dtype])
    except OverflowError as error:
        raise invalid_argument(f"A number is too large for type: {tensors.type_name(dtype)}") from error


def _shape(value: Any) -> tuple[int, ...]:
    """The shape that the first entries of nested lists say."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _MAX_DIMENSIONS:
            raise invalid_argument(f"Lists are nested more than {_MAX_DIMENSIONS} deep")
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _leaves(value: Any, shape: tuple[int, ...], level: int = 0) -> Iterator[Any]:
    """The numbers and strings of nested lists. Raises ServingError where a list is none that `shape` has."""
    if not isinstance(value, list):
        yield value
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for entry in value:
        yield from _leaves(entry, shape, level + 1)


def _scalar(value: Any, dtype: int) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype in _FLOATS:
        if number:
            return value
    elif dtype in _INTEGERS:
        bounds = np.iinfo(_INTEGERS[dtype])
        if number and isinstance(value, int) and bounds.min <= value <= bounds.max:
            return value
    elif dtype == types_pb2.DT_BOOL:
        if isinstance(value, bool):
            return value
    elif dtype == types_pb2.DT_STRING:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if _is_base64(value):
            return _from_base64(value["b64"])
    else:
        name = tensors.type_name(dtype)
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {pretty(value)} to type: {name}")
    raise invalid_argument(
        f"JSON Value: {pretty(value)} Type: {_json_type(value)} is not of expected type: {tensors.type_name(dtype)}"
    )


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error, ValueError) as error:
        raise invalid_argument(f"Unable to base64 decode: {pretty(text)}") from error


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).replace("None", "Null")
    if isinstance(value, str):
        return "String"
    if isinstance(value, dict | list):
        return "Object" if isinstance(value, dict) else "Array"
    return "Number"


def rows_to_json(outputs: Arrays) -> list[Any]:
    """One entry a row: the value of the only output, or an object of all. Raises ServingError."""
    sizes = {}
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        sizes[name] = array.shape[0]
    if len(set(sizes.values())) > 1:
        raise invalid_argument(f"Tensors have inconsistent batch sizes: {sizes}")
    columns = {name: to_json(array, name) for name, array in outputs.items()}
    if len(columns) == 1:
        return list(next(iter(columns.values())))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def columns_to_json(outputs: Arrays) -> Any:
    """The value of the only output, or an object of all."""
    columns = {name: to_json(array, name) for name, array in outputs.items()}
    return next(iter(columns.values())) if len(columns) == 1 else columns


def to_json(array: NDArray[Any], name: str) -> Any:
    """Nested lists of JSON values; strings of an output called `..._bytes` as base64."""
    if array.dtype.kind == "O":
        return _strings(array.tolist(), as_base64=name.endswith("_bytes"))
    if array.dtype == np.float32:
        # Nine digits say a float32 exactly, and no more than it knows.
        return _rounded(array.astype(np.float64).tolist())
    return array.tolist()


def _strings(value: Any, *, as_base64: bool) -> Any:
    if isinstance(value, list):
        return [_strings(entry, as_base64=as_base64) for entry in value]
    return {"b64": base64.b64encode(value).decode()} if as_base64 else value.decode(errors="replace")


def _rounded(value: Any) -> Any:
    return [_rounded(entry) for entry in value] if isinstance(value, list) else float(f"{value:.9g}")


def pretty(value: Any, indent: str = "") -> str:
    """JSON as error messages quote it: objects over several lines, lists on one."""
    if isinstance(value, dict) and value:
        inner = indent + "    "
        lines = (f"{inner}{json.dumps(key)}: {pretty(entry, inner)}" for key, entry in value.items())
        return "{\n" + ",\n".join(lines) + "\n" + indent + "}"
    if isinstance(value, list):
        return "[" + ", ".join(pretty(entry, indent) for entry in value) + "]"
    return json.dumps(value)
