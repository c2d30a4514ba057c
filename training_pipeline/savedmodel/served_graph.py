"""A network as the graph that servers run: frozen, its products on matrices, and its large constants as variables.

A server holds about eight copies of a constant: in the function library, before and after optimisation, and in each
kernel. It holds one copy of a variable. A matrix of eight bits is a variable of a byte for each value in the file; a
server multiplies it once, when it loads the version, into a second variable that no file has.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from training_pipeline.networks.eight_bits import rounded
from training_pipeline.savedmodel.rows import in_rows

Array = npt.NDArray[np.float32]
LEAST = 4_096
"""Number of values from which a constant becomes a variable."""
_OPERATIONS = {"AddV2", "BatchMatMulV2", "BiasAdd", "Conv2D", "MatMul", "Mul", "RealDiv", "StridedSlice", "Sub"}
"""They take a variable as fast as a constant. What TensorFlow folds, such as a transposed constant, stays one."""
_SAME_VALUES = {"Identity", "ExpandDims"}
_NUMBERS = itertools.count()  # two matrices of one name would be one in a process


class GraphOfVariables(tf.Module):  # type: ignore[misc]
    """A frozen graph with one input, its large constants as variables, to be called while a `tf.function` is traced."""

    def __init__(self, frozen: GraphDef, given: str, wanted: Sequence[str]) -> None:
        """Take the operation `given`, a placeholder, and the tensors `wanted` of a graph without variables."""
        super().__init__()
        matrices = _matrices(frozen)
        nodes = [node for node in frozen.node if node.name not in {given, *matrices}]
        self._graph = GraphDef(node=nodes, library=frozen.library, versions=frozen.versions)
        self._given, self._wanted = given, list(wanted)
        self.matrices = {name: _kept(values) for name, values in matrices.items()}

    def __call__(self, features: Any) -> Any:
        """The wanted tensors for `features`."""
        inputs = {name: matrix.read_value() for name, matrix in self.matrices.items()} | {self._given: features}
        return tf.graph_util.import_graph_def(self._graph, inputs, self._wanted, name="")

    def count_constants(self) -> int:
        """Number of values that the graph holds, those of variables included."""
        small = [node.attr["value"].tensor.tensor_shape for node in self._graph.node if node.op == "Const"]
        shapes = [[d.size for d in shape.dim] for shape in small]
        return int(sum(map(np.prod, [*shapes, *(matrix.shape for matrix in self.matrices.values())])))


class ServedGraph(GraphOfVariables):
    """A frozen graph with one input and one output, its products on matrices."""

    def __init__(self, frozen: GraphDef, given: str, wanted: str) -> None:
        """Take the operation `given`, a placeholder, and the tensor `wanted` of a graph without variables."""
        graph, answer = in_rows(frozen, wanted)
        super().__init__(graph, given, [answer])

    def __call__(self, features: Any) -> Any:
        """The graph's output for `features`."""
        (answer,) = super().__call__(features)
        return answer


class _EightBits(tf.saved_model.experimental.TrackableResource, tf.Module):  # type: ignore[misc]
    """A matrix that a server computes when it loads the version: integers of a variable times factors."""

    def __init__(self, integers: npt.NDArray[np.int8], factors: Array) -> None:
        tf.Module.__init__(self)
        tf.saved_model.experimental.TrackableResource.__init__(self)
        self.shape, self._factors = integers.shape, factors
        self._shared_name = f"matrix{next(_NUMBERS)}"
        self.integers = tf.Variable(integers, trainable=False, name="integers")
        self._initialize()

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=self.shape, shared_name=self._shared_name)

    def _initialize(self) -> None:
        values = tf.cast(self.integers, tf.float32) * self._factors
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=values)

    def read_value(self) -> Any:
        """The matrix, as a tensor."""
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.float32)
        value.set_shape(self.shape)
        return value


def _kept(values: Array) -> Any:
    """What holds a matrix, with the method `read_value`."""
    integers, factors = rounded(values)
    if np.array_equal(integers * factors, values):
        return _EightBits(integers, factors)
    return tf.Variable(values, trainable=False, name="matrix")


def _matrices(frozen: GraphDef) -> Mapping[str, Array]:
    """The large constants that `_OPERATIONS` take, by the names of their operations."""
    nodes = {node.name: node for node in frozen.node}

    def behind(name: str) -> str:
        node = nodes[name.partition(":")[0]]
        return behind(node.input[0]) if node.op in _SAME_VALUES else str(node.name)

    taken = {behind(name) for node in frozen.node if node.op in _OPERATIONS for name in node.input}
    constants = {name: nodes[name] for name in sorted(taken) if nodes[name].op == "Const"}
    arrays = {name: tf.make_ndarray(node.attr["value"].tensor) for name, node in constants.items()}
    return {name: values for name, values in arrays.items() if values.dtype == np.float32 and values.size >= LEAST}
