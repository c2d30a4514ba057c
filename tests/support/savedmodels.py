"""Tiny real SavedModels that keep the project's contract, written in a second or less.

Every one has `serving_default` and `describe`; what differs is how `serving_default` behaves.
TensorFlow is imported by the writers only, so that importing this module costs nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WARMUP_PATH = "assets.extra/tf_serving_warmup_requests"


def linear_weights(seed: int, labels: int, bins: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The weights [bins or 1, labels] and bias [labels] of `write_linear` under this seed, float32."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(bins or 1, labels)).astype(np.float32)
    return weights, generator.normal(scale=1.5, size=labels).astype(np.float32)


def linear_probabilities(features: NDArray[Any], labels: int, seed: int = 0, bins: int | None = None) -> NDArray[Any]:
    """What the model of `write_linear` answers, in numpy: float32 [batch, labels]."""
    weights, bias = linear_weights(seed, labels, bins)
    pooled = features.astype(np.float32).mean(axis=1)
    if bins is None:
        pooled = pooled.mean(axis=-1, keepdims=True)
    logits = np.tanh(pooled @ weights) + bias
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def write_linear(
    path: Path,
    spec_json: str,
    labels: Sequence[str],
    seed: int = 0,
    *,
    bins: int | None = None,
    card: Mapping[str, Any] | None = None,
    outputs: int | None = None,
    describe: bool = True,
) -> Path:
    """Write softmax(tanh(mean(features) @ weights) + bias) to the version folder `path`, and return it.

    The seed sets weights and bias, so that answers tell versions apart whatever the features are.
    Without `bins` any feature width is taken. `outputs` (default: as many as labels) and
    `describe=False` make a version that breaks the contract; `spec_json` is stored as given.
    """
    probabilities = _linear(seed, outputs or len(labels), bins)
    return _save(path, probabilities, spec_json, labels, card=card, bins=bins, describe=describe)


def write_slow(
    path: Path,
    spec_json: str,
    labels: Sequence[str],
    seed: int = 0,
    *,
    seconds: float = 1.0,
    gate: Path | None = None,
) -> Path:
    """As `write_linear`, but every call of `serving_default` spins for `seconds` first, or until `gate` exists."""
    import tensorflow as tf

    linear = _linear(seed, len(labels), None)

    def probabilities(features: Any) -> Any:
        start = tf.timestamp()

        def waits(turns: Any) -> Any:
            early = tf.timestamp() - start < seconds
            if gate is None:
                return early
            # A constant pattern would be evaluated only once, when the graph is optimised.
            pattern = tf.strings.substr(f"{gate} ", 0, len(str(gate)) + tf.minimum(turns, 0))
            return tf.logical_and(early, tf.equal(tf.size(tf.io.matching_files(pattern)), 0))

        spun = tf.while_loop(waits, lambda turns: (turns + 1,), (tf.constant(0),))
        with tf.control_dependencies([spun[0]]):
            return linear(tf.identity(features))

    return _save(path, probabilities, spec_json, labels)


def write_failing(path: Path, spec_json: str, labels: Sequence[str], seed: int = 0) -> Path:
    """As `write_linear`, but every call of `serving_default` fails inside the graph (`describe` works)."""
    import tensorflow as tf

    linear = _linear(seed, len(labels), None)

    def probabilities(features: Any) -> Any:
        # The batch size is never negative, so the assertion always fires, and no optimiser can know it.
        failing = tf.debugging.assert_less(tf.shape(features)[0], 0, message="this model always fails")
        with tf.control_dependencies([failing]):
            return linear(tf.identity(features))

    return _save(path, probabilities, spec_json, labels)


def write_unloadable(path: Path) -> Path:
    """A version folder whose saved_model.pb is not a SavedModel: no server can load it."""
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"\xffnot a saved model")
    return path


def write_warmup(path: Path, records: Sequence[bytes]) -> Path:
    """Write serialised PredictionLogs as the warm-up requests of the version folder `path`."""
    import tensorflow as tf

    file = path / WARMUP_PATH
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)
    return file


def _linear(seed: int, labels: int, bins: int | None) -> Callable[[Any], Any]:
    import tensorflow as tf

    weights, bias = linear_weights(seed, labels, bins)

    def probabilities(features: Any) -> Any:
        pooled = tf.reduce_mean(features, axis=1)
        if bins is None:
            pooled = tf.reduce_mean(pooled, axis=-1, keepdims=True)
        return tf.nn.softmax(tf.tanh(tf.matmul(pooled, weights)) + bias)

    return probabilities


def _save(
    path: Path,
    probabilities: Callable[[Any], Any],
    spec_json: str,
    labels: Sequence[str],
    *,
    card: Mapping[str, Any] | None = None,
    bins: int | None = None,
    describe: bool = True,
) -> Path:
    import tensorflow as tf

    module = tf.Module()
    features = tf.TensorSpec([None, None, bins], tf.float32, name="features")
    module.predict = tf.function(lambda features: {"probabilities": probabilities(features)}, [features])
    signatures = {"serving_default": module.predict.get_concrete_function()}
    if describe:
        texts = {"spec": spec_json, "labels": json.dumps(list(labels)), "card": json.dumps(dict(card or {}))}
        rows = tf.TensorSpec([None], tf.int32, name="rows")
        module.describe = tf.function(
            lambda rows: {name: tf.fill(tf.shape(rows), text) for name, text in texts.items()}, [rows]
        )
        signatures["describe"] = module.describe.get_concrete_function()
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path
