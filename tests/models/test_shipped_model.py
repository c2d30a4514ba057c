"""The models that ship, behind the gateway, on recordings as users upload them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from ser.serve import ConfigMirror
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote
from speech_emotion.store.servers import ModelServers
from tests.preprocess_gateway.conftest import FLAGS
from tests.support.gateway import Gateway
from tests.support.load import BackgroundLoad, post_file
from tests.support.model_server import ModelServer
from training_pipeline.retraining.check import check
from training_pipeline.savedmodel import golden
from training_pipeline.savedmodel.servable import ServableModel

STORE = Path(__file__).parent.parent.parent / "models"
NAME = "speech_emotion"
MODELS = [NAME, "edge"]
VERSIONS = sorted(path.parent for path in STORE.rglob("saved_model.pb"))


@pytest.fixture(scope="module")
def gateway(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = ConfigMirror(STORE, tmp_path_factory.mktemp("config") / "models.config").target
    with ModelServer(*FLAGS, config_file=config, binary=binary) as server:
        server.wait_for_version(2, name="edge")
        with Gateway(server.address, model_names=",".join(MODELS)) as running:
            yield running


@pytest.mark.parametrize("model", MODELS)
def test_every_original_is_answered(gateway: Gateway, originals_dir: Path, model: str) -> None:
    originals = sorted(originals_dir.glob("*.wav"))
    assert len(originals) == 17
    channels = set()
    for path in originals:
        url = f"{gateway.url}/v1/models/{model}/predict"
        response = requests.post(url, data=path.read_bytes(), headers={"Content-Type": "audio/wav"}, timeout=30)
        assert response.status_code == 200, f"{path.name}: {response.text}"
        answer = response.json()
        assert answer["model"]["name"] == model
        assert len(answer["probabilities"]) == 8
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["audio"]["sample_rate"] == 48_000
        channels.add(answer["audio"]["channels"])
    assert channels == {1, 2}


@pytest.mark.parametrize("binary", ["tensorflow_serving"], indirect=True)
def test_both_servers_give_the_same_answers(gateway: Gateway, service: Gateway, ravdess_dir: Path) -> None:
    """The gateway before TensorFlow Serving answers as the one before `model_server`, which `service` is."""
    clips = sorted(ravdess_dir.glob("*.flac"))[::400]
    assert clips
    for clip in clips:
        for model in MODELS:
            real, own = (
                requests.post(
                    f"{each.url}/v1/models/{model}/predict?timeline=true",
                    data=clip.read_bytes(),
                    headers={"Content-Type": "audio/flac"},
                    timeout=60,
                ).json()
                for each in (gateway, service)
            )
            assert {**real, "request_id": ""} == {**own, "request_id": ""}


def test_the_flip_from_the_old_version_to_the_new_under_load_loses_nothing(
    binary: Path | None, tmp_path: Path, originals_dir: Path
) -> None:
    root = shutil.copytree(STORE, tmp_path / "models", ignore=shutil.ignore_patterns("edge", "evaluation"))
    config = ConfigMirror(root, root / "models.config", [NAME]).target
    store, clip = FolderStore(root), min(originals_dir.glob("*.wav")).read_bytes()
    promote(store, NAME, 2)
    with ModelServer(*FLAGS, config_file=config, binary=binary) as server, Gateway(server.address) as gateway:
        load = BackgroundLoad(post_file(f"{gateway.url}/predict", clip))
        try:
            for version in (3, 2, 3):
                promote(store, NAME, version, servers=ModelServers((server.address,)))
                gateway.seconds_until_version(version, clip)
        finally:
            report = load.stop()
    assert report.failed == []
    answers = [json.loads(record.body)["model"]["version"] for record in report.records]
    assert {2, 3} == set(answers)
    assert len(answers) > 20


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.relative_to(STORE).as_posix())
def test_no_golden_set_holds_speech_of_anyone(folder: Path) -> None:
    with np.load(folder / golden.PATH, allow_pickle=False) as arrays:
        features, answers, provenance = (arrays[name] for name in ("features", "probabilities", "provenance"))
    assert str(provenance) == golden.PROVENANCE
    model = ServableModel(folder)
    made_up = golden.golden_windows(model.description.spec, model.description.card["feature_statistics"])
    assert features.shape == made_up.shape
    # Eight significant bits of a value whose last ones differ from machine to machine.
    assert np.quantile(np.abs(features - made_up) / (np.abs(made_up) + 1e-3), 0.999) < 0.01
    np.testing.assert_allclose(model.windows(features), answers, atol=golden.TOLERANCE)


@pytest.mark.parametrize("model", MODELS)
def test_the_serving_path_answers_the_golden_set_as_training_did(model: str, tmp_path: Path) -> None:
    copy = shutil.copytree(STORE, tmp_path / "models", ignore=shutil.ignore_patterns("evaluation"))
    store = FolderStore(copy)  # a failed check moves the version away
    (version,) = store.read_config().labels(model).values()
    assert check(store, model, version, ModelServers(timeout_s=120.0)) <= 1e-4
