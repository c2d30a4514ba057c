"""TensorProto to numpy and back, measured by TensorFlow's own parser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model_server.tensors import decode, encode, type_name
from speech_emotion.protos import tensor_pb2, types_pb2

ARRAYS = [
    np.array([[1.5, -2.0], [0.0, 3e38]], np.float32),
    np.array([1e300, -0.0], np.float64),
    np.array([0.5, 65504], np.float16),
    np.array([1.5, -3.0], tf.bfloat16.as_numpy_dtype),
    np.array([-128, 127], np.int8),
    np.array([-32768, 32767], np.int16),
    np.array([-(2**31), 2**31 - 1], np.int32),
    np.array([-(2**63), 2**63 - 1], np.int64),
    np.array([0, 255], np.uint8),
    np.array([0, 65535], np.uint16),
    np.array([0, 2**32 - 1], np.uint32),
    np.array([0, 2**64 - 1], np.uint64),
    np.array([True, False]),
    np.array([1 + 2j, -3j], np.complex64),
    np.array([1 + 2j, -3j], np.complex128),
    np.array([b"", b"\xff\x00", b"text"], object),
    np.array(7, np.int32),
    np.zeros((0, 3), np.float32),
]


def identifier(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"


def by_tensorflow(proto: tensor_pb2.TensorProto) -> Any:
    return tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(proto.dtype)).numpy()


@pytest.mark.parametrize("array", ARRAYS, ids=identifier)
def test_encoded_arrays_are_read_back_by_tensorflow_and_by_us(array: Any) -> None:
    proto = tensor_pb2.TensorProto()
    encode(array, tf.as_dtype(array.dtype).as_datatype_enum, proto)
    assert not proto.tensor_content
    np.testing.assert_array_equal(by_tensorflow(proto), array)
    np.testing.assert_array_equal(decode(proto), array)
    assert decode(proto).dtype == array.dtype


@pytest.mark.parametrize("array", [each for each in ARRAYS if each.dtype.kind != "O"], ids=identifier)
def test_content_is_read(array: Any) -> None:
    proto = tf.make_tensor_proto(array)
    content = tensor_pb2.TensorProto(dtype=proto.dtype, tensor_shape=proto.tensor_shape)
    content.tensor_content = array.tobytes()
    np.testing.assert_array_equal(decode(content), array)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
def test_listed_values_are_repeated_or_cut_as_tensorflow_does(values: list[float]) -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=values)
    for size in (2, 2):
        proto.tensor_shape.dim.add(size=size)
    np.testing.assert_array_equal(decode(proto), by_tensorflow(proto))


def test_listed_integers_beyond_the_type_are_cut_as_tensorflow_does() -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT8, int_val=[256, -1, 300])
    proto.tensor_shape.dim.add(size=3)
    np.testing.assert_array_equal(decode(proto), by_tensorflow(proto))


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=b"123"), "does not fit"),
        (tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=b"12345678"), "does not fit"),
        (tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_content=b"1234"), "does not fit"),
        (tensor_pb2.TensorProto(dtype=types_pb2.DT_QINT8), "qint8"),
        (tensor_pb2.TensorProto(), "invalid"),
    ],
)
def test_what_is_not_a_tensor_is_refused(proto: tensor_pb2.TensorProto, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(proto)


def test_open_shapes_are_refused() -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0])
    proto.tensor_shape.unknown_rank = True
    with pytest.raises(ValueError, match="shape"):
        decode(proto)
    proto.tensor_shape.unknown_rank = False
    proto.tensor_shape.dim.add(size=-1)
    with pytest.raises(ValueError, match="shape"):
        decode(proto)


def test_type_names_are_tensorflows() -> None:
    for dtype in (tf.float32, tf.float64, tf.int32, tf.string, tf.half, tf.bfloat16, tf.uint8, tf.bool):
        assert type_name(dtype.as_datatype_enum) == ("half" if dtype is tf.half else dtype.name).replace(
            "float32", "float"
        ).replace("float64", "double")
