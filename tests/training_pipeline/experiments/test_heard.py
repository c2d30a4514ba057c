"""Answers of a finished version to corpora that it never heard."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ser.main import app
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.evaluation.across import read_across
from training_pipeline.experiments.heard import hear
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.export import export
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job
from training_pipeline.training.train import train


@pytest.fixture(scope="module")
def version(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = find("mlp")
    trained = train(network, examples, seed=0)
    card = make_card(Job(network, examples.data), examples, trained, {})
    export(trained, network.spec, examples.emotions, card, folder := tmp_path_factory.mktemp("store") / "mlp" / "1")
    return folder


def test_every_clip_is_answered_as_the_version_would_be_served(version: Path, tmp_path: Path) -> None:
    sets = [write_synthetic(tmp_path / name, speakers=2, takes=1, seed=5) for name in ("calls", "visits")]
    measured = hear(version, sets, tmp_path / "out", tmp_path / "cache", 10**9)
    parts = read_across(tmp_path / "out" / "mlp" / "across.csv")
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
    assert [part.corpus for part in read_across(tmp_path / "out" / "mlp" / "across.csv")] == ["calls", "visits"]
    shown = CliRunner().invoke(app, ["evaluate", "--predictions", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert "`mlp` across corpora" in shown.stdout
    assert "| calls | never heard |" in shown.stdout
    as_json = CliRunner().invoke(app, ["evaluate", "--predictions", str(tmp_path / "out"), "--json"])
    assert [row["corpus"] for row in json.loads(as_json.stdout)["mlp"]["across"]] == ["calls", "visits"]


def test_one_data_set_behind_a_link_is_called_after_the_link(version: Path, tmp_path: Path) -> None:
    source = write_synthetic(tmp_path, speakers=2, takes=1).rename(tmp_path / "3f2a.csv")
    (tmp_path / "mine.csv").symlink_to(source)
    measured = hear(version, [tmp_path / "mine.csv"], tmp_path / "out", tmp_path / "cache", 10**9)
    assert [row["corpus"] for row in measured] == ["mine"]


def test_speakers_that_the_card_names_are_told(
    version: Path, manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        hear(version, [manifest], tmp_path / "out", tmp_path / "cache", 10**9)
    assert f"names speakers as {manifest.parent.name} does: 00, 01" in caplog.text


@pytest.mark.parametrize("more", [[], ["--retrain", "--data", "x.csv"]], ids=["no data", "with --retrain"])
def test_it_needs_data_and_no_training(version: Path, more: list[str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--version", str(version), *more], env={"RAVDESS_DIR": ""})
    assert done.exit_code != 0
    assert "--version needs --data, and no --retrain" in done.output
