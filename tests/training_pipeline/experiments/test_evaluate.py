"""Cross-validations as `ser evaluate --retrain` writes them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.synthetic import EMOTIONS, write_synthetic
from training_pipeline.errors import DataError, UnknownModelError
from training_pipeline.evaluation.across import read_across
from training_pipeline.evaluation.predictions import measure_runs, read_predictions
from training_pipeline.experiments.evaluate import RANDOM, UNHEARD, Evaluation, evaluate
from training_pipeline.reports.kept import ACROSS, PREDICTIONS, Kept


@pytest.fixture
def asked(manifest: Path, tmp_path: Path) -> Evaluation:
    return Evaluation(
        data=[manifest], output=tmp_path / "out", cache=tmp_path / "cache", cache_max_bytes=10**9, models=["mlp"]
    )


def test_runs_of_other_seeds_stay_and_one_of_the_same_seed_is_replaced(asked: Evaluation) -> None:
    for seed in (1, 0, 1):
        evaluate(replace(asked, seed=seed, random_split=False))
    assert [run.seed for run in read_predictions(asked.output / "mlp" / PREDICTIONS)] == [0, 1]


def test_figures_of_both_splits_are_returned_and_written(asked: Evaluation) -> None:
    done = evaluate(asked)
    written = json.loads((asked.output / "results.json").read_text())
    assert written["models"] == json.loads(done.to_json())
    assert set(done.results["mlp"]) == {UNHEARD, RANDOM}
    assert done.table().count("| `mlp` |") == 2
    assert "would be right in 33.3% of clips; chance is 33.3%." in done.table()
    low, high = done.results["mlp"][UNHEARD]["accuracy_interval"]
    assert f"| {low:.1%} to {high:.1%} |" in (asked.output / "README.md").read_text()
    assert {path.name for path in asked.output.iterdir()} == {"README.md", "confusion-mlp.png", "mlp", "results.json"}
    assert not (asked.cache / "training").exists() or not any((asked.cache / "training").iterdir())


def test_the_accuracy_beside_an_interval_is_that_of_all_clips(
    asked: Evaluation, manifest: Path, tmp_path: Path
) -> None:
    shutil.copytree(manifest.parent, tmp_path / "copy")
    table = tmp_path / "copy" / manifest.name
    # The speaker 04 has one clip alone, whose fold counts like the others in a mean over folds.
    rows = [row for row in table.read_text().splitlines() if ",04," not in row or "04-calm-0" in row]
    table.write_text("\n".join(rows) + "\n")
    figures = evaluate(replace(asked, data=[table], random_split=False)).results["mlp"][UNHEARD]
    confusion = np.array(figures["confusion"])
    assert figures["accuracy"] == confusion.trace() / confusion.sum()
    assert figures["uar"] == pytest.approx(np.mean(confusion.diagonal() / confusion.sum(axis=1)))
    low, high = figures["accuracy_interval"]
    assert low <= figures["accuracy"] <= high
    assert figures["folds"][4]["clips"] == 1


def test_other_emotions_beside_kept_ones_stop_before_anything_is_trained(
    asked: Evaluation, manifest: Path, tmp_path: Path
) -> None:
    evaluate(replace(asked, seed=1, random_split=False))
    kept = (asked.output / "mlp" / PREDICTIONS).read_bytes()
    shutil.copytree(manifest.parent, tmp_path / "copy")
    other = tmp_path / "copy" / manifest.name
    other.write_text(other.read_text().replace(",calm,", ",bored,"))
    with pytest.raises(DataError, match="need another folder"):
        evaluate(replace(asked, data=[other], random_split=False))
    assert (asked.output / "mlp" / PREDICTIONS).read_bytes() == kept


def test_a_sorted_manifest_gives_the_same_kept_figures(asked: Evaluation, manifest: Path, tmp_path: Path) -> None:
    evaluate(replace(asked, random_split=False))
    shutil.copytree(manifest.parent, tmp_path / "copy")
    turned = tmp_path / "copy" / manifest.name
    first, *rows = turned.read_text().splitlines()
    turned.write_text("\n".join([first, *rows[::-1]]) + "\n")
    done = evaluate(replace(asked, data=[turned], seed=1, random_split=False))
    own = [measure_runs([run])["accuracy"] for run in read_predictions(asked.output / "mlp" / PREDICTIONS)]
    assert own[1] == pytest.approx(done.results["mlp"][UNHEARD]["accuracy"])


def test_an_unknown_model_stops_before_anything_is_trained(asked: Evaluation) -> None:
    with pytest.raises(UnknownModelError, match="transformer"):
        evaluate(replace(asked, models=["mlp", "transformer"]))
    assert not asked.output.exists()


@pytest.fixture
def two_corpora(tmp_path: Path) -> list[Path]:
    """Two small sets, of which the second has no label for one emotion."""
    sets = [write_synthetic(tmp_path / name, speakers=3, takes=1, seed=n) for n, name in enumerate(("one", "other"))]
    rows = sets[1].read_text().splitlines()
    sets[1].write_text("\n".join(row for row in rows if ",calm," not in row) + "\n")
    return sets


def test_every_corpus_has_a_row_trained_on_and_left_out(asked: Evaluation, two_corpora: list[Path]) -> None:
    several = replace(asked, data=two_corpora, random_split=False, leave_one_corpus_out=True)
    done = evaluate(several)
    parts = read_across(asked.output / "mlp" / ACROSS)
    assert [(part.corpus, part.left_out, len(part.clips), part.emotions) for part in parts] == [
        ("one", False, 9, EMOTIONS), ("one", True, 9, EMOTIONS[1:]),
        ("other", False, 6, EMOTIONS), ("other", True, 6, EMOTIONS),
    ]  # fmt: skip
    figures = json.loads((asked.output / "results.json").read_text())["across"]["mlp"]
    assert [(row["corpus"], row["left_out"], row["clips"], row["unknown_label"]) for row in figures] == [
        ("one", False, 9, 0), ("one", True, 6, 3), ("other", False, 6, 0), ("other", True, 6, 0),
    ]  # fmt: skip
    assert "| other | never heard | 6, 3 |" in done.table()
    kept = Kept.read(asked.output)
    assert [row["accuracy"] for row in kept.across["mlp"]] == [row["accuracy"] for row in figures]
    assert kept.part("across mlp") in kept.table()
    assert json.loads(kept.to_json())["mlp"]["across"] == kept.across["mlp"]


def test_one_corpus_alone_cannot_be_left_out(asked: Evaluation) -> None:
    with pytest.raises(DataError, match="to leave one corpus out, two are needed"):
        evaluate(replace(asked, leave_one_corpus_out=True))


def test_no_corpus_is_left_out_if_the_others_have_one_emotion(asked: Evaluation, two_corpora: list[Path]) -> None:
    rows = two_corpora[1].read_text().splitlines()
    two_corpora[1].write_text("\n".join(row for row in rows if ",happy," in row or "label" in row) + "\n")
    with pytest.raises(DataError, match=r"to leave out one, the other corpora need clips of 2 emotions; .* all happy"):
        evaluate(replace(asked, data=two_corpora, leave_one_corpus_out=True))


def test_recordings_that_would_flatter_are_refused_before_training(asked: Evaluation, manifest: Path) -> None:
    header, first, *rest = manifest.read_text().splitlines()
    path, emotion, _, *more = first.split(",")
    leaks = ",".join([path, emotion, "04", *more])
    table = manifest.parent / "leaks.csv"
    table.write_text("\n".join([header, first, leaks, *rest]) + "\n")
    with pytest.raises(DataError, match=r"duplicate audio of another emotion, speaker or split: .*00-calm-0"):
        evaluate(replace(asked, data=[table]))
    assert not asked.output.exists()


def test_every_emotion_is_needed_of_two_speakers(asked: Evaluation, manifest: Path) -> None:
    header, *rows = manifest.read_text().splitlines()
    table = manifest.parent / "rare.csv"
    table.write_text("\n".join([header, *(r for r in rows if ",calm," not in r or r.split(",")[2] == "01")]) + "\n")
    with pytest.raises(DataError, match="all clips of calm are of 01, who would be tested by a model without calm"):
        evaluate(replace(asked, data=[table]))
    table.write_text("\n".join([header, *(r for r in rows if ",calm," in r)]) + "\n")
    with pytest.raises(DataError, match="2 emotions are needed; the clips are all calm"):
        evaluate(replace(asked, data=[table]))


@pytest.mark.parametrize("left_out", [False, True])
def test_three_sets_of_one_speaker_each_are_measured(asked: Evaluation, tmp_path: Path, left_out: bool) -> None:
    sets = [write_synthetic(tmp_path / name, speakers=1, takes=3, seed=n) for n, name in enumerate("abc")]
    done = evaluate(replace(asked, data=sets, random_split=False, leave_one_corpus_out=left_out))
    assert [(row["corpus"], row["left_out"]) for row in done.across["mlp"]] == [(name, True) for name in "abc"]
    assert 0 <= done.results["mlp"][UNHEARD]["accuracy"] <= 1
