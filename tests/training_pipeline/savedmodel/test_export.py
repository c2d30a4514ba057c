from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from speech_emotion import contract
from speech_emotion.features import SEED_SPEC
from speech_emotion.protos import prediction_log_pb2
from tests.support.model_server import ModelServer
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.export import export
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.savedmodel.trained import load_trained, save_trained
from training_pipeline.training.calibration import Calibration, Numbers
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job
from training_pipeline.training.train import Trained, train
from training_pipeline.training.unlikeness import Unlikeness


@pytest.fixture(scope="module")
def folder(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = find("mlp")
    trained = train(network, examples, seed=0)
    card = make_card(Job.resolve("mlp", examples.data, 0, "synthetic", "none"), examples, trained, {})
    path = tmp_path_factory.mktemp("store") / "speech_emotion" / "1"
    export(trained, network.spec, examples.emotions, card, path)
    np.save(path.parent.parent / "expected.npy", trained.predict(examples.features))
    return path


def test_a_savedmodel_keeps_the_contract(folder: Path, examples: Examples) -> None:
    loaded = tf.saved_model.load(str(folder))
    x = tf.constant(np.concatenate(examples.features))
    probabilities = loaded.signatures[contract.SIGNATURE_PREDICT](features=x)[contract.OUTPUT_PROBABILITIES].numpy()
    np.testing.assert_allclose(probabilities, np.load(folder.parent.parent / "expected.npy"), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    texts = loaded.signatures[contract.SIGNATURE_DESCRIBE](rows=tf.constant([0, 0]))
    described = contract.Description.parse(*(texts[name].numpy()[1] for name in ("spec", "labels", "card")))
    assert (described.spec, described.emotions) == (SEED_SPEC, examples.emotions)
    assert described.card["data"]["clips"] == len(examples.clips)
    assert len(described.card["feature_statistics"]["mean"]) == SEED_SPEC.bins


def test_the_warm_up_holds_predict_requests_of_the_specs_shape(folder: Path) -> None:
    records = list(tf.data.TFRecordDataset(str(folder / contract.WARMUP_PATH)).as_numpy_iterator())
    assert records
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        features = tf.make_ndarray(log.predict_log.request.inputs[contract.INPUT_FEATURES])
        assert features.shape[1:] == (SEED_SPEC.frames, SEED_SPEC.bins)


def test_a_model_server_loads_it_with_its_warm_up(folder: Path) -> None:
    with ModelServer(base_path=folder.parent, wait_s=50) as server:
        assert server.process
        assert server.process.poll() is None


def test_an_export_never_overwrites(folder: Path, examples: Examples) -> None:
    with pytest.raises(FileExistsError):
        export(train(find("mlp"), examples, 0), SEED_SPEC, examples.emotions, {}, folder)


def test_a_calibration_by_what_a_window_sounds_like_is_served_and_kept_between_steps(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    windows = random.normal(0, 1, (40, SEED_SPEC.frames, SEED_SPEC.bins)).astype(np.float32)
    strange = windows[:3] + 9
    unlikeness = Unlikeness.of(windows, ["one"] * 20 + ["other"] * 20)
    numbers = Numbers(np.array([0.8, 0.8]), 0.5, 2.0)
    calibration = Calibration(numbers, unlikeness)
    keras.utils.set_random_seed(1)
    inputs = keras.Input(windows.shape[1:])
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    trained = Trained(model, calibration)
    export(trained, SEED_SPEC, ("a", "b", "c"), {}, tmp_path / "1")
    save_trained(trained, SEED_SPEC.frames, SEED_SPEC.bins, tmp_path / "trained")
    expected = trained.predict([window[np.newaxis] for window in (*windows, *strange)])
    plain = replace(trained, temperature=0.8).predict([window[np.newaxis] for window in strange])
    assert (expected[-3:].max(axis=1) < plain.max(axis=1)).all()
    for again in (ServableModel(tmp_path / "1"), load_trained(tmp_path / "trained")):
        answers = again.predict([window[np.newaxis] for window in (*windows, *strange)])
        np.testing.assert_allclose(answers, expected, atol=1e-5)
