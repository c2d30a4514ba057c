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
from training_pipeline.train import Trained

WARMUP_BATCHES = (1, 8)


class _Servable(tf.Module):  # type: ignore[misc]
    def __init__(self, trained: Trained, spec: FeatureSpec, labels: tuple[str, ...], card: dict[str, Any]) -> None:
        super().__init__()
        self.model = trained.model
        self.temperature = tf.constant(trained.temperature, tf.float32)
        texts = (spec.to_json(), json.dumps(labels), json.dumps(card, sort_keys=True))
        names = (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)
        self.texts = dict(zip(names, texts, strict=True))

    def predict(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = self.model(features, training=False)
        return {contract.OUTPUT_PROBABILITIES: tf.nn.softmax(logits / self.temperature)}

    def describe(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.fill(tf.shape(rows), text) for name, text in self.texts.items()}


def export(trained: Trained, spec: FeatureSpec, labels: tuple[str, ...], card: dict[str, Any], folder: Path) -> None:
    """Write a SavedModel into `folder`, which must not exist.

    The warm-up has one request for each of a few batch sizes, so that the first user does not wait.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already")
    servable = _Servable(trained, spec, labels, card)
    features = tf.TensorSpec([None, spec.frames, spec.bins], tf.float32, name=contract.INPUT_FEATURES)
    rows = tf.TensorSpec([None], tf.int32, name=contract.INPUT_ROWS)
    signatures = {
        contract.SIGNATURE_PREDICT: tf.function(servable.predict).get_concrete_function(features),
        contract.SIGNATURE_DESCRIBE: tf.function(servable.describe).get_concrete_function(rows),
    }
    tf.saved_model.save(servable, str(folder), signatures)
    _write_warmup(folder / contract.WARMUP_PATH, spec)


def _write_warmup(path: Path, spec: FeatureSpec) -> None:
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in WARMUP_BATCHES:
            features = np.zeros((batch, spec.frames, spec.bins), np.float32)
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name="speech_emotion", signature_name=contract.SIGNATURE_PREDICT),
                inputs={contract.INPUT_FEATURES: tf.make_tensor_proto(features)},
            )
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
