"""numpy to TensorProto and back, in both encodings that a server may choose."""

from __future__ import annotations

import numpy as np
import pytest

from preprocess_gateway.backend.tensors import from_array, to_array
from speech_emotion.errors import ContractError
from speech_emotion.protos import tensor_pb2, types_pb2


def tensor(shape: tuple[int, ...], dtype: int = types_pb2.DT_FLOAT, **fields: object) -> tensor_pb2.TensorProto:
    made = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 3), (2, 1, 4)])
def test_an_array_comes_back_as_it_was(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    back = to_array(from_array(array))
    assert (back.shape, back.dtype) == (array.shape, np.float32)
    np.testing.assert_array_equal(back, array)


def test_content_is_little_endian_whatever_the_array_is() -> None:
    big = np.array([[1.0, 2.0]], ">f4")
    assert from_array(big).tensor_content == b"\x00\x00\x80?\x00\x00\x00@"  # type: ignore[arg-type]
    turned = np.array([[1, 2], [3, 4]], np.float32).T  # not contiguous
    np.testing.assert_array_equal(to_array(from_array(turned)), turned)


def test_values_are_read_too_and_one_stands_for_all() -> None:
    np.testing.assert_array_equal(to_array(tensor((1, 2), float_val=[0.25, 0.75])), [[0.25, 0.75]])
    np.testing.assert_array_equal(to_array(tensor((2, 2), float_val=[0.5])), [[0.5, 0.5], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (tensor((2,), types_pb2.DT_DOUBLE, double_val=[1.0, 2.0]), "type 2, not float32"),
        (tensor((2, 2), float_val=[1.0, 2.0, 3.0]), "3 values for shape"),
        (tensor((2,)), "0 values for shape"),
        (tensor((1,), tensor_content=b"\x00" * 8), "2 values for shape"),
    ],
)
def test_another_type_or_another_number_of_values_breaks_the_contract(wrong: tensor_pb2.TensorProto, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        to_array(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        tensor((1,), tensor_content=b"\x00" * 3),
        tensor((-1,), float_val=[1.0]),
        tensor((-1, -1), float_val=[1.0]),
        tensor((2**40,), float_val=[1.0]),
        tensor((2**32, 2**32)),
    ],
    ids=["a cut value", "a negative size", "two of them", "a size beyond any memory", "a size beyond 64 bits"],
)
def test_nonsense_breaks_the_contract_and_nothing_else(wrong: tensor_pb2.TensorProto) -> None:
    with pytest.raises(ContractError):
        to_array(wrong)
