"""What is trained, by name: networks, and a head on the version that ships."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training_pipeline import jobs
from training_pipeline.data import nemo, ravdess
from training_pipeline.data.clips import Clip, write_clips
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.data.readers import read_data
from training_pipeline.errors import DataError, UnknownModelError
from training_pipeline.jobs import check_name, require_model, resolve, start_version
from training_pipeline.networks.registry import find

OWN = DataSet([Clip(Path("1.wav"), "glad", "01"), Clip(Path("2.wav"), "bored", "02")], ("glad", "bored"))
RAVDESS = DataSet([Clip(Path("03-01-03-01-01-01-01.wav"), "happy", "01")], ("happy",))
NEMO = DataSet([Clip(Path("a.wav"), "happy", "AB0", corpus="nemo")], ("happy",), corpora=(
    Corpus(nemo.NAME, nemo.EMOTIONS, nemo.LICENCE, nemo.CITATION),
))  # fmt: skip


def test_a_head_starts_from_the_stable_version_that_ships() -> None:
    job = resolve("head", OWN)
    assert job.network.name == "head"
    assert job.network.provenance()["started from"].startswith(f"version {start_version().name} of speech_emotion")


def test_other_names_are_networks_and_an_unknown_one_is_answered_with_all() -> None:
    assert resolve("mlp", OWN).network is find("mlp")
    for refused in (lambda: resolve("transformer", OWN), lambda: check_name("transformer")):
        with pytest.raises(UnknownModelError, match=r"no model 'transformer': there are ann, .*, head"):
            refused()


def test_nothing_is_measured_on_what_the_version_has_heard() -> None:
    with pytest.raises(DataError, match=r"was trained on this data \(Livingstone .*choose another model"):
        resolve("head", RAVDESS, measured=True)
    for name in ("1001_IWW_DIS_XX.wav", "EB0_anger_12.wav"):  # of CREMA-D and nEMO, in a manifest that cites nobody
        copied = DataSet([Clip(Path(name), "Wut", "anna"), Clip(Path("1.wav"), "froh", "eva")], ("Wut", "froh"))
        with pytest.raises(DataError, match="was trained on this data"):
            resolve("head", copied, measured=True)
    clips = [Clip(Path("1.wav"), "Wut", "KD0", corpus="nemo"), Clip(Path("2.wav"), "froh", "eva", corpus="nemo")]
    uncited = DataSet(clips, ("Wut", "froh"), corpora=(Corpus("nemo", ("Wut", "froh")),))
    with pytest.raises(DataError, match=r"was trained on this data \(the speakers KD0\)"):
        resolve("head", uncited, measured=True)
    assert ravdess.CITATION in resolve("head", RAVDESS).facts.source  # to train on it is no figure
    resolve("head", OWN, measured=True)  # speakers that are called alike are others


def test_nothing_is_measured_on_what_the_version_has_heard_through_a_manifest_of_links(tmp_path: Path) -> None:
    (tmp_path / "3f2a").touch()
    (link := tmp_path / "03-01-03-01-01-01-01.flac").symlink_to(tmp_path / "3f2a")
    write_clips(tmp_path / "m.csv", [Clip(link, "happy", "01")])
    with pytest.raises(DataError, match=r"was trained on this data \(Livingstone"):
        resolve("head", read_data(tmp_path / "m.csv"), measured=True)


def test_a_version_of_another_model_is_refused() -> None:
    version = start_version()
    for model in (None, "head", "whisper-base"):
        require_model(version, model)
    with pytest.raises(DataError, match="is a version of whisper-base, not of mlp: leave out --model"):
        require_model(version, "mlp")


def test_without_the_store_that_ships_a_version_must_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipped = start_version()
    monkeypatch.setattr(jobs, "SHIPPED_STORES", (tmp_path / "away",))
    with pytest.raises(DataError, match="not on this machine: name a version to start from, or another model"):
        check_name("head")
    assert start_version(shipped) == shipped


def test_to_know_that_a_name_exists_needs_no_tensorflow() -> None:
    code = "import sys, training_pipeline.jobs as jobs; jobs.check_name('head'); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
