"""A network as the graph that servers run: frozen, its products on matrices, and its large matrices in variables.

A server holds about eight copies of a constant: in the function library, before and after optimisation, and in each
kernel. It holds one copy of a variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from training_pipeline.savedmodel.rows import in_rows

Array = npt.NDArray[np.float32]
LEAST = 4_096
"""Number of values from which a matrix becomes a variable."""
_PRODUCTS = {"MatMul", "BatchMatMulV2"}


class ServedGraph(tf.Module):  # type: ignore[misc]
    """A frozen graph with one input and one output, to be called while a `tf.function` is traced."""

    def __init__(self, frozen: GraphDef, given: str, wanted: str) -> None:
        """Take the operation `given`, a placeholder, and the tensor `wanted` of a graph without variables."""
        super().__init__()
        graph, self._wanted = in_rows(frozen, wanted)
        matrices = _matrices(graph)
        nodes = [node for node in graph.node if node.name not in {given, *matrices}]
        self._graph = GraphDef(node=nodes, library=graph.library, versions=graph.versions)
        self._given = given
        self.matrices = {name: tf.Variable(values, trainable=False, name="matrix") for name, values in matrices.items()}

    def __call__(self, features: Any) -> Any:
        """The graph's output for `features`."""
        inputs = {name: matrix.read_value() for name, matrix in self.matrices.items()} | {self._given: features}
        (answer,) = tf.graph_util.import_graph_def(self._graph, inputs, [self._wanted], name="")
        return answer


def _matrices(frozen: GraphDef) -> Mapping[str, Array]:
    """The large constants that something is multiplied with, by the names of their operations."""
    nodes = {node.name: node for node in frozen.node}

    def behind(name: str) -> str:
        node = nodes[name.partition(":")[0]]
        return behind(node.input[0]) if node.op == "Identity" else str(node.name)

    factors = {behind(node.input[1]) for node in frozen.node if node.op in _PRODUCTS}
    constants = {name: nodes[name] for name in sorted(factors) if nodes[name].op == "Const"}
    arrays = {name: tf.make_ndarray(node.attr["value"].tensor) for name, node in constants.items()}
    return {name: values for name, values in arrays.items() if values.dtype == np.float32 and values.size >= LEAST}
