"""Rewrites a frozen graph so that a product takes a matrix: the rows of all windows, as long as each step allows it.

Keras writes a dense layer on `[n, time, channels]` as a Tensordot, whose Reshape stands between the product and its
bias. TensorFlow fuses a product with bias, activation (GELU included) and shortcut only if nothing stands between them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

_BY_ELEMENT = {
    "AddV2", "BiasAdd", "Elu", "Erf", "Erfc", "Exp", "Identity", "LeakyRelu", "Maximum", "Minimum", "Mul", "Neg",
    "RealDiv", "Relu", "Relu6", "Selu", "Sigmoid", "Softplus", "Square", "Sub", "Tanh",
}  # fmt: skip
"""Operations that compute each element from that element alone, whatever the shape."""


def in_rows(frozen: GraphDef, wanted: str) -> tuple[GraphDef, str]:
    """A graph that computes the same tensor `wanted`, without what it does not need, and the tensor's name in it.

    A graph with functions or loops, such as that of recurrent layers, stays as it is.
    """
    if frozen.library.function:
        return frozen, wanted
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(frozen, name="")
    with tf.Graph().as_default() as copy:
        answer = _Replay().whole(graph.get_tensor_by_name(wanted))
    needed, whole = {operation.name for operation in _before(answer.op)}, copy.as_graph_def()
    nodes = [node for node in whole.node if node.name in needed]
    return GraphDef(node=nodes, versions=whole.versions), answer.name


class _Rows(NamedTuple):
    """A tensor as a matrix of rows, and the shape that it stands for: -1, then known sizes."""

    matrix: Any
    shape: tuple[int, ...]


class _Replay:
    """Copies everything that a tensor depends on into the graph that is being built.

    A tensor `[n, ..., channels]`, of which only n is unknown, may be kept as rows `[n * ..., channels]`. Control edges
    are left out: nothing in a frozen graph has a state.
    """

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}
        self._rows: dict[str, _Rows] = {}
        self._products: dict[str, tuple[_Rows, Any]] = {}
        """Products of rows, by the names of their tensors, and what the rows are of."""

    def whole(self, wanted: Any) -> Any:
        """The copy of a tensor, in its own shape."""
        for operation in _before(wanted.op):
            self._copy(operation)
        return self._as_whole(wanted)

    def _copy(self, operation: Any) -> None:
        if not (self._product(operation) or self._reshape(operation) or self._by_element(operation)):
            copies = _same(operation, [self._as_whole(tensor) for tensor in operation.inputs])
            self._whole.update(zip((tensor.name for tensor in operation.outputs), copies, strict=True))

    def _product(self, operation: Any) -> bool:
        """Copy a dense layer's product, whose input was reshaped into a matrix for it; returns whether it is one."""
        if operation.type != "MatMul" or operation.get_attr("transpose_a") or operation.get_attr("transpose_b"):
            return False
        reshape, factor = operation.inputs[0].op, operation.inputs[1]
        source = _untransposed(reshape.inputs[0]) if reshape.type == "Reshape" else None
        rows = None if source is None else self._as_rows(source)
        if rows is None or rows.shape[-1] != factor.shape[0]:
            return False
        (product,) = _same(operation, [rows.matrix, self._as_whole(factor)])
        output = operation.outputs[0].name
        self._products[output] = _Rows(product, (*rows.shape[:-1], int(factor.shape[1]))), source
        self._whole[output] = product
        return True

    def _reshape(self, operation: Any) -> bool:
        """Keep rows if a Reshape only restores the shape that they stand for; returns whether it has been copied."""
        if operation.type != "Reshape":
            return False
        given, output = operation.inputs[0].name, operation.outputs[0]
        if given in self._products and _has_shape_of(operation, *self._products[given]):
            self._rows[output.name] = self._products[given][0]
        elif given in self._rows:
            (self._whole[output.name],) = _same(
                operation, [self._rows[given].matrix, self._as_whole(operation.inputs[1])]
            )
        else:
            return False
        return True

    def _by_element(self, operation: Any) -> bool:
        """Keep rows if the other operand is a number, has one for each channel, or has the same shape."""
        known = [self._rows[tensor.name] for tensor in operation.inputs if tensor.name in self._rows]
        if operation.type not in _BY_ELEMENT or not known:
            return False
        shape, inputs = known[0].shape, []
        for tensor in operation.inputs:
            if tensor.shape == () or tensor.shape == (shape[-1],):
                inputs.append(self._as_whole(tensor))
            elif (rows := self._as_rows(tensor)) is not None and rows.shape == shape:
                inputs.append(rows.matrix)
            else:
                return False
        (copy,) = _same(operation, inputs)
        self._rows[operation.outputs[0].name] = _Rows(copy, shape)
        return True

    def _as_rows(self, tensor: Any) -> _Rows | None:
        if tensor.name not in self._rows:
            sizes = tensor.shape.as_list() if tensor.shape.rank is not None else []
            if len(sizes) < 3 or sizes[0] is not None or None in sizes[1:]:
                return None
            self._rows[tensor.name] = _Rows(tf.reshape(self._as_whole(tensor), [-1, sizes[-1]]), (-1, *sizes[1:]))
        return self._rows[tensor.name]

    def _as_whole(self, tensor: Any) -> Any:
        if tensor.name not in self._whole:
            rows = self._rows[tensor.name]
            self._whole[tensor.name] = tf.reshape(rows.matrix, rows.shape)
        return self._whole[tensor.name]


def _same(operation: Any, inputs: list[Any]) -> list[Any]:
    """The outputs of the same operation on other inputs."""
    attributes = {name: value for name, value in operation.node_def.attr.items() if not name.startswith("_")}
    types = [tensor.dtype for tensor in operation.outputs]
    graph = tf.compat.v1.get_default_graph()
    return list(graph.create_op(operation.type, inputs, types, attrs=attributes, name=operation.name).outputs)


def _before(operation: Any) -> list[Any]:
    """An operation and all that it depends on, each after its inputs."""
    needed, open_ones = set(), [operation]
    while open_ones:
        each = open_ones.pop()
        if each not in needed:
            needed.add(each)
            open_ones += [tensor.op for tensor in each.inputs]
    return [each for each in operation.graph.get_operations() if each in needed]


def _untransposed(tensor: Any) -> Any:
    """The input of a Transpose that changes nothing; None for another Transpose; any other tensor itself."""
    if tensor.op.type != "Transpose":
        return tensor
    order = tf.get_static_value(tensor.op.inputs[1])
    return tensor.op.inputs[0] if order is not None and list(order) == sorted(order) else None


def _has_shape_of(reshape: Any, rows: _Rows, source: Any) -> bool:
    """Whether a Reshape gives the product `rows` the shape of `source`, but for its channels.

    Its shape is known, or made of that of `source`, as Tensordot does.
    """
    shape = reshape.outputs[0].shape
    if shape.rank != len(rows.shape) or shape[-1] != rows.shape[-1]:
        return False
    if None not in shape[1:].as_list():
        return bool(shape[1:].as_list() == list(rows.shape[1:]))
    joined = reshape.inputs[1].op
    gathered = joined.inputs[0].op if joined.type == "ConcatV2" else joined
    taken = gathered.inputs[0].op if gathered.type == "GatherV2" else gathered
    return bool(taken.type == "Shape" and taken.inputs[0].name == source.name)
