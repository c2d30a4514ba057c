"""A signature's graph with all that it reads as constants."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


class Frozen(NamedTuple):
    """A graph without variables, its one input, a placeholder, and the tensor that it was frozen for."""

    graph: GraphDef
    given: str
    wanted: str


def freeze(function: Any) -> Frozen:
    """Freeze a concrete function of one input and one output; without control edges, as nothing left has a state.

    TensorFlow's own freezing leaves variables that no checkpoint has, such as those of `served_graph`.
    """
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    left, graph = frozen.graph.as_graph_def(), frozen.graph.as_graph_def()
    del graph.node[:]
    placeholders = {node.name for node in left.node if node.op == "Placeholder"}
    handles = {inner.op.name: outer for outer, inner in function.graph.captures if inner.op.name in placeholders}
    for node in left.node:
        if node.op == "Identity" and node.input[0] in handles:
            handles[node.name] = handles[node.input[0]]
        elif node.op == "ReadVariableOp" and node.input[0] in handles:
            value = tf.raw_ops.ReadVariableOp(resource=handles[node.input[0]], dtype=node.attr["dtype"].type)
            constant = graph.node.add(name=node.name, op="Const")
            constant.attr["dtype"].CopyFrom(node.attr["dtype"])
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        elif node.name not in handles:
            graph.node.append(node)
            graph.node[-1].input[:] = [name for name in node.input if not name.startswith("^")]
    return Frozen(graph, frozen.inputs[0].op.name, frozen.outputs[0].name)
