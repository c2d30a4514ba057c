from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from threadpoolctl import threadpool_info, threadpool_limits

from speech_emotion import contract
from speech_emotion.features import SEED_SPEC
from speech_emotion.protos import prediction_log_pb2
from tests.support.model_server import ModelServer
from training_pipeline.data.clips import Clip
from training_pipeline.data.folds import random_folds, speaker_folds
from training_pipeline.errors import DataError, UnknownModelError
from training_pipeline.evaluation.cross_validate import cross_validate
from training_pipeline.evaluation.figures import Predictions, measure
from training_pipeline.networks import mlp
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.export import export
from training_pipeline.training.calibrate import expected_calibration_error, fit_temperature, softmax
from training_pipeline.training.examples import Examples
from training_pipeline.training.features import extract_all
from training_pipeline.training.job import Job
from training_pipeline.training.train import train


@pytest.mark.parametrize("labels", [2, 3, 8])
def test_the_mlps_dense_layers_compute_what_scikit_learn_does(labels: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(3, 5, (80, 1, 12)).astype(np.float32)
    scaler, classifier = mlp.fit(x, np.arange(80) % labels, labels, seed=0)
    expected = classifier.predict_proba(scaler.transform(x.reshape(80, -1)))
    np.testing.assert_allclose(
        softmax(np.asarray(mlp.to_keras(scaler, classifier, x.shape[1:])(x))), expected, atol=1e-5
    )


def test_a_label_that_never_occurs_is_an_error() -> None:
    with pytest.raises(DataError, match="2 of 3 labels"):
        mlp.fit(np.zeros((4, 1, 12), np.float32), np.array([0, 1, 0, 1]), 3, seed=0)


def test_training_twice_gives_the_same_probabilities(examples: Examples) -> None:
    one, two = (train(find("mlp"), examples, seed=3).predict(examples.features) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_an_unknown_model_names_those_there_are() -> None:
    with pytest.raises(UnknownModelError, match="ann, edge, mlp"):
        find("transformer")


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


def test_a_trial_is_fitted_once_and_not_calibrated(examples: Examples) -> None:
    fitted = []

    def fit(*arguments: Any, **options: Any) -> Any:
        fitted.append(arguments)
        return find("mlp").fit(*arguments, **options)

    assert train(replace(find("mlp"), fit=fit, calibrated=False), examples, seed=0).temperature == 1
    assert len(fitted) == 1


def test_a_trial_can_be_evaluated_and_not_served() -> None:
    assert not find("whisper-frozen/no-mixup", trials=True).calibrated
    with pytest.raises(
        UnknownModelError, match="no model 'whisper-frozen/no-mixup': there are ann, edge, mlp, whisper"
    ):
        find("whisper-frozen/no-mixup")


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ann", "mlp"])
def test_cross_validation_beats_chance_on_synthetic_speakers(name: str, examples: Examples) -> None:
    metrics = measure(cross_validate(find(name), examples, speaker_folds(examples.clips), seed=0), examples)
    assert metrics["accuracy"] > 0.5  # chance is a third
    assert np.sum(metrics["confusion"]) == metrics["clips"] == len(examples.clips)
    json.dumps(metrics)


def test_measures_of_known_predictions(examples: Examples) -> None:
    right = np.eye(3)[examples.targets]
    fold = np.arange(len(right)) % 2
    perfect = measure(Predictions(right, fold), examples)
    assert (perfect["accuracy"], perfect["uar"], perfect["ece"]) == (1, 1, 0)
    constant = measure(Predictions(np.eye(3)[np.zeros_like(examples.targets)], fold), examples)
    assert constant["per_label"][examples.emotions[0]]["recall"] == 1
    assert constant["per_label"][examples.emotions[1]]["precision"] == 0
    assert constant["ece"] == pytest.approx(2 / 3)


def test_temperature_recovers_a_known_overconfidence() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 4))
    targets = np.array([random.choice(4, p=row) for row in softmax(logits)])
    assert fit_temperature(3 * logits, targets) == pytest.approx(3, rel=0.05)
    assert expected_calibration_error(softmax(logits), targets) < 0.02
    assert expected_calibration_error(softmax(3 * logits), targets) > 0.1


def test_features_come_from_the_cache_the_second_time(clips: list[Clip], tmp_path: Path) -> None:
    first = extract_all(clips[:2], SEED_SPEC, tmp_path)
    cached = list(tmp_path.rglob("*.npy"))
    assert len(cached) == 2
    np.save(cached[0], np.zeros_like(first[0]))
    second = extract_all(clips[:2], SEED_SPEC, tmp_path)
    assert sum(not feature.any() for feature in second) == 1


def test_an_unreadable_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=re.escape(str(path))):
        extract_all([Clip(path, "a", "1")], SEED_SPEC)


def test_random_folds_cover_every_clip(clips: list[Clip]) -> None:
    assert sum(len(fold.test) for fold in random_folds(clips)) == len(clips)


def test_features_are_made_with_one_thread_of_blas(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def extract(*_: object) -> np.ndarray:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return np.zeros((1, 2, 3), np.float32)

    monkeypatch.setattr("training_pipeline.training.features.extract", extract)
    with threadpool_limits(2, user_api="blas"):
        extract_all(clips[:2], SEED_SPEC)
    assert set(threads) == {1}
