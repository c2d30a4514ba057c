"""A trained model to the SavedModel that `speech_emotion.contract` promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from speech_emotion import contract
from speech_emotion.features import FeatureSpec
from speech_emotion.protos import model_pb2, predict_pb2, prediction_log_pb2
from training_pipeline.savedmodel.frozen import freeze
from training_pipeline.savedmodel.golden import golden_windows, write_golden
from training_pipeline.savedmodel.served_graph import ServedGraph
from training_pipeline.training.train import Trained

WARMUP_BATCHES = (1, 8)


class _Servable(tf.Module):  # type: ignore[misc]
    def __init__(self, trained: Trained, spec: FeatureSpec, emotions: tuple[str, ...], card: dict[str, Any]) -> None:
        super().__init__()
        shape = tf.TensorSpec([None, spec.frames, spec.bins], tf.float32, name=contract.INPUT_FEATURES)
        self.network = _frozen(trained, shape)
        self.predict = tf.function(self.probabilities, autograph=False).get_concrete_function(shape)
        texts = (spec.to_json(), json.dumps(emotions), json.dumps(card, sort_keys=True))
        names = (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)
        self.texts = dict(zip(names, texts, strict=True))

    def probabilities(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {contract.OUTPUT_PROBABILITIES: self.network(features)}

    def describe(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.fill(tf.shape(rows), text) for name, text in self.texts.items()}


def export(trained: Trained, spec: FeatureSpec, emotions: tuple[str, ...], card: dict[str, Any], folder: Path) -> None:
    """Write a SavedModel into `folder`, which must not exist.

    The warm-up has one request for each of a few batch sizes, so that the first user does not wait; the golden set has
    made-up windows and what `trained` answers to them.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} already exists")
    servable = _Servable(trained, spec, emotions, card)
    rows = tf.TensorSpec([None], tf.int32, name=contract.INPUT_ROWS)
    signatures = {
        contract.SIGNATURE_PREDICT: servable.predict,
        contract.SIGNATURE_DESCRIBE: tf.function(servable.describe).get_concrete_function(rows),
    }
    tf.saved_model.save(servable, str(folder), signatures)
    _write_warmup(folder / contract.WARMUP_PATH, spec)
    windows = golden_windows(spec, card.get("feature_statistics"))
    write_golden(folder, windows, lambda features: trained.predict([window[np.newaxis] for window in features]))


def _frozen(trained: Trained, shape: tf.TensorSpec) -> ServedGraph:
    """The model without what only its training needed, such as an optimizer."""

    def probabilities(features: tf.Tensor) -> tf.Tensor:
        return trained.probabilities(features)

    function = tf.function(probabilities).get_concrete_function(shape)
    return ServedGraph(*freeze(function))


def _write_warmup(path: Path, spec: FeatureSpec) -> None:
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in WARMUP_BATCHES:
            # One value and a shape: the same as an array of it, in a few bytes.
            features = tf.make_tensor_proto(0.0, tf.float32, [batch, spec.frames, spec.bins])
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name="speech_emotion", signature_name=contract.SIGNATURE_PREDICT),
                inputs={contract.INPUT_FEATURES: features},
            )
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
