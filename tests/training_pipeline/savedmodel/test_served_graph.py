from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tensorflow.core.framework.graph_pb2 import GraphDef

from model_server.servable import Servable, SessionOptions
from training_pipeline.networks.eight_bits import round_weights
from training_pipeline.savedmodel.frozen import Frozen, freeze
from training_pipeline.savedmodel.rows import in_rows
from training_pipeline.savedmodel.served_graph import ServedGraph

TIME, CHANNELS = 12, 80


def dense_layers(x: Any) -> Any:
    """A block as a transformer's: dense layers with GELU, shortcut and normalisation, on `[n, time, channels]`."""
    hidden = keras.layers.Dense(96, activation="tanh")(keras.layers.LayerNormalization()(x))
    x = x + keras.layers.Dense(CHANNELS)(ops.gelu(hidden, approximate=False))
    return ops.mean(x * keras.layers.Dense(CHANNELS, use_bias=False)(x), axis=1)


def positions(x: Any) -> Any:
    """What all windows have in common is added to each."""
    common = np.arange(TIME * 8, dtype=np.float32).reshape(1, TIME, 8)
    return ops.max(keras.layers.Dense(8)(x) + common, axis=1)


def other_shapes(x: Any) -> Any:
    """Rows that become something else than they were."""
    x = ops.reshape(keras.layers.Dense(60)(x), (-1, TIME // 2, 120))
    x = ops.transpose(keras.layers.Dense(96, activation="relu")(x), (0, 2, 1))
    return ops.mean(keras.layers.Dense(5)(x), axis=(1, 2))[:, None]


def four_axes(x: Any) -> Any:
    x = keras.layers.Dense(70)(ops.reshape(x, (-1, 3, TIME // 3, CHANNELS)))
    return ops.sum(keras.layers.Dense(4)(x), axis=(1, 2))


def convolutions(x: Any) -> Any:
    x = keras.layers.Conv1D(64, 3, strides=2, activation="relu")(x)
    return ops.mean(keras.layers.Dense(64, activation="sigmoid")(x), axis=1)


def flat(x: Any) -> Any:
    return keras.layers.Dense(3)(keras.layers.Dense(64, activation="elu")(keras.layers.Flatten()(x)))


def recurrent(x: Any) -> Any:
    return keras.layers.Dense(3)(keras.layers.GRU(16)(x))


NETWORKS = [dense_layers, positions, other_shapes, four_axes, convolutions, flat, recurrent]


def network(of: Callable[[Any], Any]) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((TIME, CHANNELS))
    return keras.Model(inputs, of(inputs))


def frozen(model: Any) -> Frozen:
    shape = tf.TensorSpec([None, TIME, CHANNELS], tf.float32)
    return freeze(tf.function(lambda x: tf.nn.softmax(model(x, training=False))).get_concrete_function(shape))


def kinds(graph: GraphDef) -> Counter[str]:
    return Counter(node.op for node in graph.node)


@pytest.mark.parametrize("of", NETWORKS)
def test_a_served_graph_answers_what_its_network_does(of: Callable[[Any], Any]) -> None:
    model, random = network(of), np.random.default_rng(0)
    served = tf.function(ServedGraph(*frozen(model)), autograph=False)
    for windows in (1, 5):
        x = tf.constant(random.normal(size=(windows, TIME, CHANNELS)), tf.float32)
        np.testing.assert_allclose(served(x), tf.nn.softmax(model(x)), atol=1e-6)


@pytest.mark.parametrize("of", [dense_layers, positions, four_axes, convolutions])
def test_nothing_stands_between_a_product_and_its_bias(of: Callable[[Any], Any]) -> None:
    graph, _, wanted = frozen(network(of))
    rewritten, _ = in_rows(graph, wanted)
    made = {node.name: node.op for node in rewritten.node}
    before_bias = {made[node.input[0].partition(":")[0]] for node in rewritten.node if node.op == "BiasAdd"}
    assert before_bias <= {"MatMul", "Conv2D", "Squeeze"}
    assert kinds(rewritten)["MatMul"] == kinds(graph)["MatMul"]
    assert not kinds(rewritten)["Prod"], "shapes are computed"


def test_a_graph_with_loops_stays_as_it_is() -> None:
    graph, _, wanted = frozen(network(recurrent))
    assert in_rows(graph, wanted) == (graph, wanted)


def test_large_matrices_are_variables_and_no_constants() -> None:
    served = ServedGraph(*frozen(network(dense_layers)))
    assert sorted(tuple(matrix.shape) for matrix in served.matrices.values()) == [(80, 80), (80, 96), (96, 80)]
    shape = tf.TensorSpec([None, TIME, CHANNELS], tf.float32)
    graph = tf.function(served, autograph=False).get_concrete_function(shape).graph.as_graph_def()
    assert graph.ByteSize() < 4 * 80 * 80


def test_a_matrix_that_two_products_share_is_one_variable() -> None:
    layer = keras.layers.Dense(CHANNELS)
    served = ServedGraph(*frozen(network(lambda x: ops.mean(layer(ops.tanh(layer(x))), axis=1))))
    assert len(served.matrices) == 1


@pytest.mark.parametrize(
    ("of", "shapes"),
    [
        (dense_layers, [(80, 80), (80, 96), (96, 80)]),
        (convolutions, [(3, 80, 64), (64, 64)]),
    ],
)
def test_what_was_rounded_takes_a_byte_for_each_value_and_is_multiplied_when_loaded(
    of: Callable[[Any], Any], shapes: list[tuple[int, ...]], tmp_path: Path
) -> None:
    model = network(of)
    round_weights(model)
    served = ServedGraph(*frozen(model))
    assert sorted(matrix.shape for matrix in served.matrices.values()) == shapes
    shape = tf.TensorSpec([None, TIME, CHANNELS], tf.float32, name="x")
    tf.saved_model.save(served, str(tmp_path / "1"), tf.function(served, autograph=False).get_concrete_function(shape))

    integers = sum(math.prod(shape) for shape in shapes)
    assert integers < (tmp_path / "1/variables/variables.data-00000-of-00001").stat().st_size < 2 * integers
    x = np.random.default_rng(0).normal(size=(2, TIME, CHANNELS)).astype(np.float32)
    servable = Servable("rounded", 1, tmp_path / "1", SessionOptions())
    (answer,) = servable.infer("serving_default", {"x": x}).values()
    np.testing.assert_allclose(answer, tf.nn.softmax(model(x)), atol=1e-6)

    again = ServedGraph(*freeze(tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]))
    np.testing.assert_allclose(tf.function(again, autograph=False)(tf.constant(x)), answer, atol=1e-6)
    assert sorted(matrix.shape for matrix in again.matrices.values()) == shapes


def test_two_graphs_of_one_shape_keep_their_own_weights(tmp_path: Path) -> None:
    model, shape = network(dense_layers), tf.TensorSpec([None, TIME, CHANNELS], tf.float32)
    x = tf.random.stateless_normal((2, TIME, CHANNELS), (0, 1))
    expected, graphs, loaded = [], [], []
    for name in "ab":
        round_weights(model)
        expected.append(tf.nn.softmax(model(x)))
        graphs.append(served := ServedGraph(*frozen(model)))
        function = tf.function(served, autograph=False).get_concrete_function(shape)
        tf.saved_model.save(served, str(tmp_path / name), function)
        loaded.append(tf.saved_model.load(str(tmp_path / name)))
        model.set_weights([3 * weight for weight in model.get_weights()])
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    for served, again, answer in zip(graphs, loaded, expected, strict=True):
        np.testing.assert_allclose(tf.function(served, autograph=False)(x), answer, atol=1e-6)
        (restored,) = again.signatures["serving_default"](x).values()
        np.testing.assert_allclose(restored, answer, atol=1e-6)
