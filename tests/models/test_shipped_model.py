"""The models that ship, behind the gateway, on recordings as users upload them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ser.serve import ConfigMirror
from speech_emotion.store.folder import FolderStore
from tests.preprocess_gateway.conftest import FLAGS
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from training_pipeline.check import check

STORE = Path(__file__).parent.parent.parent / "models"
STORES = [STORE, STORE / "edge"]


@pytest.fixture(scope="module", params=STORES, ids=lambda store: store.name)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = ConfigMirror(request.param, tmp_path_factory.mktemp("config") / "models.config").target
    with ModelServer(*FLAGS, config_file=config) as server, Gateway(server.address) as running:
        yield running


def test_every_original_is_answered(gateway: Gateway, originals_dir: Path) -> None:
    originals = sorted(originals_dir.glob("*.wav"))
    assert len(originals) == 17
    channels = set()
    for path in originals:
        response = gateway.predict(path.read_bytes())
        assert response.status_code == 200, f"{path.name}: {response.text}"
        answer = response.json()
        assert len(answer["probabilities"]) == 8
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["audio"]["sample_rate"] == 48_000
        channels.add(answer["audio"]["channels"])
    assert channels == {1, 2}


@pytest.mark.parametrize("folder", STORES, ids=lambda store: store.name)
def test_the_serving_path_answers_the_golden_set_as_training_did(folder: Path, tmp_path: Path) -> None:
    store = FolderStore(shutil.copytree(folder, tmp_path / "models"))  # a failed check moves the version away
    (version,) = store.read_config().labels("speech_emotion").values()
    assert check(store, "speech_emotion", version, [], 120.0) <= 1e-4
