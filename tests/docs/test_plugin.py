"""The example distribution of docs/plugins.md: installed as a team would, then trained and served from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.plugins import install_example
from tests.support.waiting import until
from training_pipeline.data.clips import read_clips
from training_pipeline.data.synthetic import write_sample, write_synthetic

TONE = """
import numpy as np
from speech_emotion.features import FeatureSpec, extract
spec = FeatureSpec.from_json('{"aggregate": "mean", "blocks": [{"kind": "acme_centroid", "power": 2}]}')
time = np.arange(16_000) / 16_000
for hz in (500, 1_000, 3_000):
    print(1_000 * float(extract(np.sin(2 * np.pi * hz * time).astype(np.float32), spec)[0, 0, 0]))
print(float(extract(np.zeros(16_000, np.float32), spec)[0, 0, 0]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(install_example(tmp_path_factory.mktemp("site") / "acme"))}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up clips as the example's reader knows them: a folder for each emotion, a speaker's name in each file's."""
    folder = tmp_path_factory.mktemp("recordings") / "acme"
    for number, clip in enumerate(read_clips(write_synthetic(folder.parent / "synthetic", speakers=5, takes=2))):
        (folder / clip.emotion).mkdir(parents=True, exist_ok=True)
        clip.path.rename(folder / clip.emotion / f"{clip.speaker}-{number}.wav")
    (folder / "acme.txt").write_text("calm\nhappy\nangry\n")
    return folder


def run(environment: dict[str, str], *command: str | Path) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, timeout=250)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_block_finds_the_frequency_of_a_tone(environment: dict[str, str]) -> None:
    *tones, silence = map(float, run(environment, "-c", TONE).split())
    np.testing.assert_allclose(tones, [500, 1_000, 3_000], rtol=0.02)
    assert silence == 0


def test_its_network_learns_from_what_its_reader_finds(environment: dict[str, str], recordings: Path) -> None:
    options = ("--model", "acme_centres", "--data", str(recordings), "--output", str(recordings.parent), "--json")
    shown = run(environment, "-m", "ser.main", "evaluate", "--retrain", *options)
    figures = json.loads(shown.splitlines()[-1])["acme_centres"]["unheard_speakers"]
    assert figures["accuracy"] > 0.5  # chance is a third
    assert figures["clips"] == 30


def test_its_reader_writes_a_manifest(environment: dict[str, str], recordings: Path, tmp_path: Path) -> None:
    options = ("--reader", "acme_folders", str(recordings), "-o", str(tmp_path / "manifest.csv"))
    assert "30 clips" in run(environment, "-m", "ser.main", "manifest", *options)
    assert {clip.emotion for clip in read_clips(tmp_path / "manifest.csv")} == {"angry", "calm", "happy"}


def test_what_it_trains_is_refused_where_it_is_not_installed(
    environment: dict[str, str], recordings: Path, tmp_path: Path
) -> None:
    options = ("--model", "acme_centres", "--data", str(recordings), "--export", str(tmp_path / "1"))
    run(environment, "-m", "ser.main", "train", *options)
    code = """
import sys
from pathlib import Path
from training_pipeline.savedmodel.servable import ServableModel
ServableModel(Path(sys.argv[1]))
"""
    run(environment, "-c", code, tmp_path / "1")
    refused = subprocess.run([sys.executable, "-c", code, tmp_path / "1"], capture_output=True, text=True, timeout=250)
    assert "no feature block 'acme_centroid' is installed: there are chroma, mel, mfcc" in refused.stderr


def test_its_observer_is_told_of_what_a_gateway_answers(
    environment: dict[str, str], service_models: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    write_sample(tmp_path / "sample.wav")
    with Gateway(service_models.address) as gateway:
        assert gateway.predict((tmp_path / "sample.wav").read_bytes()).status_code == 200

        def scrape() -> str:
            return requests.get(f"{gateway.probes}/metrics", timeout=60).text

        until(lambda: "acme_clip_level_dbfs_count 1.0" in scrape())
        assert 'speech_emotion_observations_total{observer="acme_loudness",outcome="failed"} 0.0' in scrape()
