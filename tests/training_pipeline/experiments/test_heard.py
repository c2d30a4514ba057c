"""Answers of a finished version to corpora that it never heard, and what it is not measured on."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ser.main import app
from training_pipeline.data.clips import read_clips, write_clips
from training_pipeline.data.dataset import Corpus
from training_pipeline.data.declared import write_declared
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import read_across
from training_pipeline.experiments.heard import hear
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.continued import digest_of
from training_pipeline.savedmodel.export import export
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job
from training_pipeline.training.train import train


def exported(examples: Examples, folder: Path, **facts: Any) -> Path:
    """A version whose card says `facts` of its data."""
    network = find("mlp")
    trained = train(network, examples, seed=0)
    card = make_card(Job(network, examples.data), examples, trained, {})
    card["data"] |= facts
    export(trained, network.spec, examples.emotions, card, folder)
    return folder


@pytest.fixture(scope="module")
def version(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(examples, tmp_path_factory.mktemp("store") / "mlp" / "1")


@pytest.fixture(scope="module")
def of_several(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of the corpora `calls`, with the speakers 00 and 01, and `visits`."""
    folder = tmp_path_factory.mktemp("store") / "mlp" / "2"
    return exported(examples, folder, speakers=["calls/00", "calls/01", "visits/7"], source="Anna's calls; Eva")


def kept(output: Path) -> Path:
    """The one file of answers below a folder."""
    [file] = output.glob("*/across.csv")
    return file


def test_every_clip_is_answered_as_the_version_would_be_served(version: Path, tmp_path: Path) -> None:
    sets = [write_synthetic(tmp_path / name, speakers=2, takes=1, seed=5) for name in ("calls", "visits")]
    measured = hear(version, sets, tmp_path / "out", tmp_path / "cache", 10**9)
    parts = read_across(kept(tmp_path / "out"))
    assert [(part.corpus, part.left_out, row["clips"]) for part, row in zip(parts, measured, strict=True)] == [
        ("calls", True, len(parts[0].clips)), ("visits", True, len(parts[1].clips)),
    ]  # fmt: skip
    # Both sets are the same recordings.
    np.testing.assert_allclose(parts[0].probabilities, parts[1].probabilities, atol=1e-6)
    np.testing.assert_allclose(parts[0].probabilities.sum(axis=1), 1, atol=1e-4)


def test_one_data_set_without_a_name_is_called_after_its_manifest(version: Path, tmp_path: Path) -> None:
    source = write_synthetic(tmp_path / "calls", speakers=2, takes=1).rename(tmp_path / "calls" / "mine.csv")
    asked = ["evaluate", "--version", str(version), "--data", str(source), "-o", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert [row["corpus"] for row in json.loads(done.stdout)] == ["mine"]


def test_manifests_of_several_folders_stand_beside_each_other(version: Path, tmp_path: Path) -> None:
    for name in ("calls", "visits"):
        source = write_synthetic(tmp_path / name, speakers=2, takes=1)
        hear(version, [source], tmp_path / "out", tmp_path / "cache", 10**9)
    file = kept(tmp_path / "out")
    assert [part.corpus for part in read_across(file)] == ["calls", "visits"]
    shown = CliRunner().invoke(app, ["evaluate", "--predictions", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert f"`{file.parent.name}` across corpora" in shown.stdout
    assert "| calls | never heard |" in shown.stdout
    as_json = CliRunner().invoke(app, ["evaluate", "--predictions", str(tmp_path / "out"), "--json"])
    assert [row["corpus"] for row in json.loads(as_json.stdout)[file.parent.name]["across"]] == ["calls", "visits"]


def test_one_data_set_behind_a_link_is_called_after_the_link(version: Path, tmp_path: Path) -> None:
    source = write_synthetic(tmp_path, speakers=2, takes=1).rename(tmp_path / "3f2a.csv")
    (tmp_path / "mine.csv").symlink_to(source)
    measured = hear(version, [tmp_path / "mine.csv"], tmp_path / "out", tmp_path / "cache", 10**9)
    assert [row["corpus"] for row in measured] == ["mine"]


def test_two_versions_of_a_model_keep_their_answers_apart(version: Path, of_several: Path, tmp_path: Path) -> None:
    source = write_synthetic(tmp_path / "mine", speakers=2, takes=1)
    (trained := tmp_path / "out" / "mlp" / "across.csv").parent.mkdir(parents=True)
    trained.write_text("what --retrain wrote")
    for each in (version, of_several, version):
        hear(each, [source], tmp_path / "out", tmp_path / "cache", 10**9)
    names = sorted(path.parent.name for path in (tmp_path / "out").glob("*/across.csv"))
    assert names[0] == "mlp"
    assert sorted(names[1:]) == sorted(f"mlp@{digest_of(each)[:8]}" for each in (version, of_several))
    assert trained.read_text() == "what --retrain wrote"


@pytest.mark.parametrize("name", ["calls", "Calls"])
def test_what_a_version_of_several_corpora_was_trained_on_is_no_corpus_that_it_never_heard(
    of_several: Path, tmp_path: Path, name: str
) -> None:
    source = write_synthetic(tmp_path / "clips", speakers=3, takes=1)
    own = source.rename(source.with_name(f"{name}.csv"))
    other = write_synthetic(tmp_path / "other", speakers=2, takes=1, seed=5)
    said = rf"trained on {name} \(the speakers .*00, .*01\), .* leave their clips out"
    for sources in ([own], [other, own]):
        with pytest.raises(DataError, match=said):
            hear(of_several, sources, tmp_path / "out", tmp_path / "cache", 10**9)
    assert not (tmp_path / "out").exists()


def test_who_is_called_alike_in_another_corpus_is_a_warning(
    of_several: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_synthetic(tmp_path / "mine", speakers=3, takes=1)
    with caplog.at_level(logging.WARNING):
        [measured] = hear(of_several, [source], tmp_path / "out", tmp_path / "cache", 10**9)
    assert measured["left_out"]
    assert "called as these of mine: 00, 01. If they are the same, the figures are too good" in caplog.text


def test_other_speakers_of_a_corpus_are_no_corpus_that_was_never_heard(
    of_several: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [clip for clip in read_clips(write_synthetic(tmp_path, speakers=4, takes=1)) if clip.speaker > "01"]
    write_clips(source := tmp_path / "calls.csv", clips)
    with caplog.at_level(logging.WARNING):
        [measured] = hear(of_several, [source], tmp_path / "out", tmp_path / "cache", 10**9)
    assert not measured["left_out"]
    assert "was trained on calls, on none of these speakers by their names" in caplog.text


def test_a_cited_source_is_the_same_corpus_by_another_name(of_several: Path, tmp_path: Path) -> None:
    source = write_synthetic(tmp_path, speakers=2, takes=1)
    write_clips(source, [replace(clip, corpus="renamed") for clip in read_clips(source)])
    emotions = tuple(sorted({clip.emotion for clip in read_clips(source)}))
    write_declared(source, [Corpus("renamed", emotions, "", "Anna's calls")])
    with pytest.raises(DataError, match=r"trained on renamed \(Anna's calls; the speakers 00, 01\)"):
        hear(of_several, [source], tmp_path / "out", tmp_path / "cache", 10**9)


def test_a_card_that_names_nobody_is_told(
    examples: Examples, manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    silent = exported(examples, tmp_path / "mlp" / "3", speakers=[])
    with caplog.at_level(logging.WARNING):
        hear(silent, [manifest], tmp_path / "out", tmp_path / "cache", 10**9)
    assert "does not say what it was trained on: it may have heard" in caplog.text


def test_speakers_that_the_card_names_are_told(
    version: Path, manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        hear(version, [manifest], tmp_path / "out", tmp_path / "cache", 10**9)
    assert f"called as these of {manifest.parent.name}: 00, 01, 02, 03, 04. If they are the same" in caplog.text


@pytest.mark.parametrize("more", [[], ["--retrain", "--data", "x.csv"]], ids=["no data", "with --retrain"])
def test_it_needs_data_and_no_training(version: Path, more: list[str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--version", str(version), *more], env={"RAVDESS_DIR": ""})
    assert done.exit_code != 0
    assert "--version needs --data, and no --retrain" in done.output
