"""Going on from a version: a tiny one whose inside is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from speech_emotion.features import SEED_SPEC, WHISPER_SPEC
from training_pipeline.data.synthetic import EMOTIONS
from training_pipeline.errors import DataError, MissingClassesError
from training_pipeline.savedmodel.continued import SAVED_MODEL, Trunk, continued, named, version_folder
from training_pipeline.savedmodel.export import export
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.calibration import Calibration, Numbers
from training_pipeline.training.train import Trained
from training_pipeline.training.unlikeness import Unlikeness

ROOT = Path(__file__).parents[3]
CARD = {"model": "tiny", "licences": {"weights": "ours alone"}, "pretrained": {"encoder": "made up"}}


def network(*, detector: bool) -> keras.Model:
    """Two dense layers; the detector hears the first value of the features."""
    inputs = keras.Input((SEED_SPEC.frames, SEED_SPEC.bins))
    flat = keras.layers.Flatten()(inputs)
    hidden = keras.layers.Dense(8, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(0, 0.1, 1))(
        flat
    )
    logits = keras.layers.Dense(3)(hidden)
    if detector:
        logits = logits * keras.layers.Activation("sigmoid")(flat[:, :1])
    return keras.Model(inputs, logits)


def windows(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (count, SEED_SPEC.frames, SEED_SPEC.bins)).astype(np.float32)


@pytest.fixture(params=[False, True], ids=["plain", "with a detector"])
def version(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, keras.Model]:
    model = network(detector=request.param)
    export(Trained(model, 2.0), SEED_SPEC, EMOTIONS, CARD, folder := tmp_path / "store" / "tiny" / "3")
    return folder, model


def test_the_trunk_is_what_the_head_was_given(version: tuple[Path, keras.Model]) -> None:
    folder, _ = version
    x = windows(5)
    hidden, *speech = Trunk.of(folder)(tf.constant(x))
    np.testing.assert_array_equal(np.asarray(hidden), x.reshape(5, -1))
    for probability in speech:
        np.testing.assert_allclose(np.asarray(probability)[:, 0], 1 / (1 + np.exp(-x[:, 0, 0])), atol=1e-5)


def test_a_version_that_was_calibrated_across_corpora_has_the_same_trunk(tmp_path: Path) -> None:
    x = windows(20)
    unlikeness = Unlikeness.of(x, ["one"] * 10 + ["other"] * 10)
    calibration = Calibration(Numbers(np.array([0.8, 1.2]), 0.5, 2.0), unlikeness)
    export(Trained(network(detector=True), calibration), SEED_SPEC, EMOTIONS, CARD, folder := tmp_path / "1")
    hidden, _ = Trunk.of(folder)(tf.constant(x))
    np.testing.assert_array_equal(np.asarray(hidden), x.reshape(20, -1))


@pytest.mark.parametrize(
    ("name", "width"), [("speech_emotion/2", 3072), ("speech_emotion/3", 5120), ("edge/1", 1536), ("edge/2", 1536)]
)
def test_what_ships_can_be_started_from(name: str, width: int) -> None:
    trunk = Trunk.of(ROOT / "models" / name)
    hidden, speech = trunk(tf.zeros((2, WHISPER_SPEC.frames, WHISPER_SPEC.bins)))
    assert (hidden.shape, speech.shape) == ((2, width), (2, 1))
    # Of a matrix that is a constant of a graph, TensorFlow makes many copies: training a head took 1.8 GB more.
    assert trunk.graph._graph.ByteSize() < 1_000_000


@pytest.mark.parametrize("classes", [2, 4])
def test_other_emotions_are_learnt_and_served(version: tuple[Path, keras.Model], tmp_path: Path, classes: int) -> None:
    folder, _ = version
    x = windows(80)
    hidden = np.asarray(Trunk.of(folder)(tf.constant(x))[0])
    high = hidden > np.median(hidden, axis=0)
    y = (high[:, 0] + 2 * high[:, 1]) % classes
    started = continued(folder)
    trained = Trained(started.fit(x, y, classes, 0), 1.0)
    names = tuple("abcd"[:classes])
    export(trained, started.spec, names, CARD, tmp_path / "out")
    served = ServableModel(tmp_path / "out")
    assert served.description.emotions == names
    answers = served.predict([window[np.newaxis] for window in x])
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    assert (answers.argmax(axis=1) == y).mean() > 0.8


def test_what_a_detector_takes_for_no_speech_is_still_answered_with_all_alike(tmp_path: Path) -> None:
    model = network(detector=True)
    export(Trained(model, 1.0), SEED_SPEC, EMOTIONS, CARD, folder := tmp_path / "1")
    x = windows(12)
    silent = x.copy()
    silent[:, 0, 0] = -50
    logits = continued(folder).fit(x, np.arange(12) % 3, 3, 0)(silent)
    np.testing.assert_allclose(np.asarray(logits), 0, atol=1e-6)


def test_where_it_comes_from_is_said_with_its_licence(version: tuple[Path, keras.Model]) -> None:
    folder, _ = version
    started = continued(folder)
    said = started.provenance()
    assert (started.name, started.spec) == ("head", SEED_SPEC)
    assert said["started from"] == "version 3 of tiny, a tiny"
    assert (said["licence of its weights"], said["its encoder"]) == ("ours alone", "made up")


def test_a_chain_of_versions_is_told_in_words(version: tuple[Path, keras.Model], tmp_path: Path) -> None:
    _, model = version
    before = CARD | {"data": {"source": "Someone (2020)"}}
    export(Trained(model, 1.0), SEED_SPEC, EMOTIONS, before, folder := tmp_path / "first" / "1")
    for number in (2, 3):
        said = continued(folder).provenance()
        card = {"model": "head", "licences": {"weights": "ours alone"}, "pretrained": said}
        export(Trained(model, 1.0), SEED_SPEC, EMOTIONS, card, folder := tmp_path / "own" / str(number))
    said = continued(folder).provenance()
    assert said["started from"] == "version 3 of own, a head"
    assert said["started from, 1 version earlier"] == "version 2 of own, a head"
    assert said["started from, 2 versions earlier"] == "version 1 of first, a tiny"
    assert said["its encoder, 2 versions earlier"] == "made up"
    assert said["its data, 2 versions earlier"] == "Someone (2020)"
    assert sum(name.startswith("sha256") for name in said) == 3
    assert not [name for name in said if name.startswith(("its its", "its sha", "its licence", "its started"))]


@pytest.mark.parametrize(("here", "given"), [("tiny", "3"), ("tiny/3", "."), ("tiny/3/variables", "..")])
def test_a_version_is_named_alike_from_wherever_it_is_given(
    version: tuple[Path, keras.Model], monkeypatch: pytest.MonkeyPatch, here: str, given: str
) -> None:
    monkeypatch.chdir(version[0].parent.parent / here)
    assert named(Path(given)) == "version 3 of tiny"
    assert continued(Path(given)).provenance()["started from"] == "version 3 of tiny, a tiny"


def test_other_weights_are_another_start(tmp_path: Path) -> None:
    inputs = keras.Input((SEED_SPEC.frames, SEED_SPEC.bins))
    large = keras.layers.Dense(64)
    model = keras.Model(inputs, keras.layers.Dense(3)(large(keras.layers.Flatten()(inputs))))
    digests = []
    for name in ("one", "other"):
        export(Trained(model, 1.0), SEED_SPEC, EMOTIONS, CARD, folder := tmp_path / name)
        if name == "other":
            shutil.copy(tmp_path / "one" / SAVED_MODEL, folder / SAVED_MODEL)
        digests.append(continued(folder).provenance()["sha256"])
        large.kernel.assign(2 * large.kernel)
    assert digests[0] != digests[1], "the weights are not in saved_model.pb alone"


def test_a_version_is_found_in_its_store_or_told_what_is_there(version: tuple[Path, keras.Model]) -> None:
    folder, _ = version
    store = folder.parent.parent
    assert version_folder(folder) == version_folder(store / "3") == folder
    with pytest.raises(DataError, match="is no version; nor is STORE/MODEL/VERSION"):
        version_folder(store / "4")
    (other := store / "other" / "3").mkdir(parents=True)
    (other / "saved_model.pb").touch()
    with pytest.raises(DataError, match=r"other/3, .*tiny/3 are: name one of them"):
        version_folder(store / "3")
    with pytest.raises(DataError, match="other/3 cannot be started from"):
        continued(other)


def test_every_class_is_needed(version: tuple[Path, keras.Model]) -> None:
    with pytest.raises(MissingClassesError, match="no example of class 2"):
        continued(version[0]).fit(windows(4), np.arange(4) % 2, 3, 0)
