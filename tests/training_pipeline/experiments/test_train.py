"""One model on every clip, as `ser train` makes it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import clips
from training_pipeline.data.readers import read_all
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError
from training_pipeline.experiments.evaluate import Evaluation, evaluate
from training_pipeline.experiments.train import Training, train_on_all
from training_pipeline.savedmodel.golden import PATH
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.savedmodel.version import CARD_JSON, CARD_PAGE

FIGURES = {"accuracy": 0.5, "accuracy_std": 0.0, "uar": 0.5, "ece": 0.0}
FOLDS = [["00", "03"], ["01", "04"], ["02"]]


def write_figures(path: Path, measured: Path, **changes: Any) -> Path:
    """The `results.json` of an evaluation of `mlp` on a data set, with changes."""
    read = read_all([measured])
    of = {"data": {"digest": read.digest, "clips": len(read.clips)}, "pretrained": {"mlp": {}}, "folds": FOLDS}
    path.write_text(json.dumps({**of, "models": {"mlp": {"unheard_speakers": FIGURES}}, **changes}))
    return path


@pytest.fixture
def asked(manifest: Path, tmp_path: Path) -> Training:
    results = write_figures(tmp_path / "results.json", manifest)
    return Training(
        data=[manifest],
        model="mlp",
        folder=tmp_path / "version",
        cache=tmp_path / "cache",
        cache_max_bytes=0,
        evaluation=results,
        data_name="calls",
        licence="ours",
    )


def test_a_version_is_whole_and_its_card_says_what_it_was_made_of(asked: Training) -> None:
    train_on_all(replace(asked, evaluation=None))
    card = ServableModel(asked.folder).description.card
    assert card == json.loads((asked.folder / CARD_JSON).read_text())
    assert (card["data"]["name"], card["licences"]["weights"]) == ("calls", "ours")
    assert card["data"]["speakers"] == ["00", "01", "02", "03", "04"]  # nobody is held out
    assert (card["evaluation"], card["folds"]) == ({}, [])
    assert (asked.folder / PATH).is_file()
    assert (asked.folder / CARD_PAGE).is_file()
    assert not any(path.is_file() for path in asked.cache.rglob("*"))  # the limit is 0


def test_the_card_has_the_figures_of_every_corpus(asked: Training) -> None:
    row = {"corpus": "calls", "left_out": True, "accuracy": 0.5, "uar": 0.25, "ece_debiased": 0.125}
    row |= {"among": {"uar": 0.75}}
    assert asked.evaluation
    write_figures(asked.evaluation, asked.data[0], across={"mlp": [row]})
    train_on_all(asked)
    card = json.loads((asked.folder / CARD_JSON).read_text())
    assert (card["evaluation"], card["folds"]) == ({"unheard_speakers": FIGURES, "across": [row]}, FOLDS)
    page = (asked.folder / CARD_PAGE).read_text()
    assert "| 3 folds of unheard speakers | accuracy 50.0%" in page
    assert "| calls: not trained on it | accuracy 50.0%, UAR 25.0%, ECE 12.5%; among its labels UAR 75.0% |" in page


def test_figures_of_what_is_not_trained_are_refused_before_anything_is_trained(asked: Training, tmp_path: Path) -> None:
    other = write_synthetic(tmp_path / "other", speakers=1, takes=3)
    mine = replace(asked, data=[other])
    with pytest.raises(
        DataError, match=r"--evaluation .*results.json has figures of other .* \(30 others, not these 9\)"
    ):
        train_on_all(mine)
    assert asked.evaluation
    read = read_all([other])
    for changes, told in (
        ({"data": {"digest": "0" * 64, "clips": len(read.clips)}}, "or of these with other rows or order"),
        ({"pretrained": {"mlp": {"sha256": "0"}}}, "of a mlp that started from other weights"),
        ({"folds": [1]}, "is not an evaluation with figures of mlp"),
        ({"data": {"clips": "many", "digest": read.digest}}, "is not an evaluation with figures of mlp"),
    ):
        write_figures(asked.evaluation, other, **changes)
        with pytest.raises(DataError, match=told):
            train_on_all(mine)
    asked.evaluation.write_text(json.dumps({"models": {"mlp": {"unheard_speakers": FIGURES}}}))
    with pytest.raises(DataError, match=r"results.json does not say which clips it is of, .* leave out --evaluation"):
        train_on_all(mine)
    assert not asked.cache.exists()
    assert not asked.folder.exists()


def test_figures_that_an_evaluation_wrote_are_those_of_its_data(asked: Training, tmp_path: Path) -> None:
    measured = Evaluation(asked.data, tmp_path / "out", asked.cache, 0, models=["mlp"], random_split=False)
    results = evaluate(measured).results["mlp"]
    train_on_all(replace(asked, evaluation=measured.output / "results.json"))
    card = ServableModel(asked.folder).description.card
    assert card["evaluation"] == results
    assert card["folds"] == [["00"], ["01"], ["02"], ["03"], ["04"]]


def test_clips_marked_test_are_not_trained_on(
    asked: Training, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = write_synthetic(tmp_path / "own", speakers=4, takes=1)
    header, *rows = table.read_text().splitlines()
    marked = [f"{row}test" if ",03," in row or ",calm," in row else row for row in rows]
    table.write_text("\n".join([header, *marked]) + "\n")
    assert {clip.split for clip in read_all([table]).clips} == {"", "test"}
    measured = Evaluation([table], tmp_path / "out", asked.cache, 0, models=["mlp"], random_split=False)
    evaluate(measured)
    train_on_all(replace(asked, data=[table], evaluation=measured.output / "results.json"))
    assert "6 clips are left out, as their split is `test`; 6 are used" in caplog.text
    served = ServableModel(asked.folder).description
    assert (served.card["data"]["speakers"], served.card["data"]["clips"]) == (["00", "01", "02"], 6)
    assert served.card["evaluation"]["unheard_speakers"]["clips"] == 6
    assert served.emotions == ("happy", "angry")
    table.write_text("\n".join([header, *(f"{row}test" for row in rows)]) + "\n")
    with pytest.raises(DataError, match="every clip is in the split `test`: none is left to train on"):
        train_on_all(replace(asked, data=[table], folder=tmp_path / "none"))


def test_what_cannot_be_done_is_said_before_anything_is_trained(asked: Training) -> None:
    assert asked.evaluation
    asked.evaluation.write_text('{"models": {}}')
    with pytest.raises(DataError, match="not an evaluation with figures of mlp"):
        train_on_all(asked)
    asked.folder.mkdir()
    with pytest.raises(FileExistsError, match="already exists"):
        train_on_all(asked)
    assert not asked.cache.exists()


def test_a_version_is_started_from_with_labels_of_ones_own(asked: Training, tmp_path: Path) -> None:
    asked = replace(asked, evaluation=None)
    train_on_all(asked)
    own = write_synthetic(tmp_path / "own", speakers=2, takes=2, seed=5)
    own.write_text(own.read_text().replace(",calm,", ",bored,"))
    started = replace(asked, data=[own], model=None, start_from=asked.folder, folder=tmp_path / "started")
    train_on_all(started)
    served = ServableModel(started.folder)
    assert served.description.emotions == ("bored", "happy", "angry")
    card = served.description.card
    assert (card["model"], card["data"]["clips"]) == ("head", 12)
    assert card["pretrained"]["started from"].startswith(f"version {asked.folder.name} of ")
    with pytest.raises(DataError, match="is a version of mlp, not of ann"):
        train_on_all(replace(started, model="ann", folder=tmp_path / "other"))


def test_clips_of_one_speaker_are_enough_and_the_card_says_whom_it_is_calibrated_on(
    asked: Training, tmp_path: Path
) -> None:
    own = write_synthetic(tmp_path / "own", speakers=2, takes=3)
    alone = [line for line in own.read_text().splitlines() if ",01," not in line]
    own.write_text("\n".join(alone) + "\n")
    train_on_all(replace(asked, data=[own], evaluation=None))
    card = ServableModel(asked.folder).description.card
    assert (card["data"]["speakers"], card["data"]["clips"]) == (["00"], 9)
    assert card["calibration"]["method"].endswith("of the same speakers: it does not hold for others")
    assert card["calibration"]["temperature"] != 1


def test_silent_clips_are_refused_before_anything_is_trained(asked: Training, tmp_path: Path) -> None:
    table = write_synthetic(tmp_path / "own", speakers=2, takes=1)
    silent = table.parent / table.read_text().splitlines()[1].split(",")[0]
    silent.write_bytes(clips.encode(np.zeros(16_000)))
    with pytest.raises(DataError, match=f"silent: .*{silent.name}"):
        train_on_all(replace(asked, data=[table], evaluation=None))
    assert not asked.folder.exists()


def test_few_clips_of_which_one_speaker_has_all_of_a_label_are_enough(asked: Training, tmp_path: Path) -> None:
    table = write_synthetic(tmp_path / "own", speakers=2, takes=2)
    header, *rows = table.read_text().splitlines()
    # The first speaker, who would be held out for the temperature, is the only one with two of the labels.
    kept = [row for row in rows if row.split(",")[2] == "00" or ",calm," in row]
    table.write_text("\n".join([header, *kept]) + "\n")
    train_on_all(replace(asked, data=[table], evaluation=None))
    assert json.loads((asked.folder / CARD_JSON).read_text())["calibration"]["method"].startswith(
        "temperature, on held-out training speakers"
    )
