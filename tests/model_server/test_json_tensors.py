"""JSON to arrays and back: rows and columns, every type that REST knows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model_server.errors import ServingError
from model_server.rest.json_tensors import arrays_from_columns, arrays_from_rows, columns_to_json, pretty, rows_to_json
from speech_emotion.protos import types_pb2

FLOAT, STRING, BOOL = types_pb2.DT_FLOAT, types_pb2.DT_STRING, types_pb2.DT_BOOL


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([[1, 2.5], [3, 4]], FLOAT, np.array([[1, 2.5], [3, 4]], np.float32)),
        (1e300, FLOAT, np.array(np.inf, np.float32)),
        ([1e300], types_pb2.DT_DOUBLE, np.array([1e300])),
        ([255, 0], types_pb2.DT_UINT8, np.array([255, 0], np.uint8)),
        ([2**63 - 1], types_pb2.DT_INT64, np.array([2**63 - 1])),
        ([True, False], BOOL, np.array([True, False])),
        (["a", {"b64": "/wA="}], STRING, np.array([b"a", b"\xff\x00"], object)),
        ({"b64": "YQ=="}, STRING, np.array(b"a", object)),
        ([], FLOAT, np.zeros(0, np.float32)),
    ],
)
def test_a_column_becomes_an_array_of_the_signatures_type(value: Any, dtype: int, expected: Any) -> None:
    found = arrays_from_columns(value, {"x": dtype})["x"]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(arrays_from_columns({"x": value}, {"x": dtype})["x"], expected)


def test_rows_are_stacked_by_name() -> None:
    rows = [{"x": [1, 2], "s": "a"}, {"s": "b", "x": [3, 4]}]
    found = arrays_from_rows(rows, {}, {"x": FLOAT, "s": STRING})
    np.testing.assert_array_equal(found["x"], [[1, 2], [3, 4]])
    assert found["s"].tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ([256], types_pb2.DT_UINT8, "JSON Value: 256 Type: Number is not of expected type: uint8"),
        ([-1], types_pb2.DT_UINT64, "is not of expected type: uint64"),
        ([None], FLOAT, "JSON Value: null Type: Null is not of expected type: float"),
        ([{"b64": "YQ==", "more": 1}], STRING, "Type: Object is not of expected type: string"),
        ([{"b64": "?"}], STRING, 'Unable to base64 decode: "?"'),
        ([{"b64": 3}], STRING, "Unable to base64 decode: 3"),
        ([1], BOOL, "Type: Number is not of expected type: bool"),
        ([], types_pb2.DT_HALF, "to type: half"),
        ([1], types_pb2.DT_HALF, "UNIMPLEMENTED: Conversion of JSON Value: 1 to type: half"),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, dtype: int, message: str) -> None:
    with pytest.raises(ServingError) as refused:
        arrays_from_columns(value, {"x": dtype})
    assert message in str(refused.value)


def test_outputs_by_row_and_by_column() -> None:
    numbers, texts = np.array([[0.1], [0.2]], np.float32), np.array([b"a", b"\xff"], object)
    assert rows_to_json({"y": numbers}) == [[0.100000001], [0.200000003]]
    assert columns_to_json({"y": numbers}) == [[0.100000001], [0.200000003]]
    assert rows_to_json({"y": numbers, "t_bytes": texts}) == [
        {"y": [0.100000001], "t_bytes": {"b64": "YQ=="}},
        {"y": [0.200000003], "t_bytes": {"b64": "/w=="}},
    ]
    assert columns_to_json({"n": np.array(3), "t": texts[:1]}) == {"n": 3, "t": ["a"]}


@pytest.mark.parametrize("outputs", [{"y": np.array(1.0)}, {"y": np.zeros(2), "z": np.zeros(3)}])
def test_outputs_that_are_no_rows_are_refused(outputs: dict[str, Any]) -> None:
    with pytest.raises(ServingError):
        rows_to_json(outputs)


@pytest.mark.parametrize("value", [{}, [], {"a": {"b": [1, {"c": None}]}}, 'x"y', 1.5, True])
def test_pretty_is_json(value: Any) -> None:
    assert json.loads(pretty(value)) == value
