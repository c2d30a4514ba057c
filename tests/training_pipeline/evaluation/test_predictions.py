from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.ravdess import ACTORS, EMOTIONS, clip_of
from training_pipeline.errors import DataError
from training_pipeline.evaluation.figures import Predictions
from training_pipeline.evaluation.predictions import (
    Run,
    add_run,
    ensemble,
    measure_runs,
    of_first_corpus,
    read_predictions,
    require_room,
    write_predictions,
)
from training_pipeline.reports.markdown import predictions_table, seeds_table
from training_pipeline.training.calibrate import calibration_interval, debiased_calibration_error
from training_pipeline.training.examples import Examples


@pytest.fixture
def run() -> Run:
    names = [f"03-01-{e:02d}-01-01-01-{actor:02d}" for actor in range(1, ACTORS + 1) for e in range(1, 9)]
    clips = [clip for name in names if (clip := clip_of(Path(name)))]
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(8), len(clips))
    return Run(0, Examples.of(DataSet(clips, EMOTIONS), []), Predictions(probabilities, np.arange(len(clips)) % 5))


def test_predictions_read_back_as_they_were_written(run: Run, tmp_path: Path) -> None:
    other = Run(7, run.examples, Predictions(run.predictions.probabilities[:, ::-1], run.predictions.fold))
    path = tmp_path / "whisper" / "predictions.csv"
    write_predictions(path, [other, run])
    header = path.read_text().splitlines()[0].split(",")
    assert header == ["clip", "fold", "seed", "label", "predicted", *(f"p_{label}" for label in EMOTIONS)]
    read = read_predictions(path)
    assert [one.seed for one in read] == [0, 7]
    for one, written in zip(read, (run, other), strict=True):
        np.testing.assert_allclose(one.predictions.probabilities, written.predictions.probabilities, atol=1e-6)
        np.testing.assert_array_equal(one.predictions.fold, written.predictions.fold)
        assert [(c.emotion, c.speaker, c.sex) for c in one.examples.clips] == [
            (c.emotion, c.speaker, c.sex) for c in run.examples.clips
        ]


def test_figures_of_runs_are_means_over_seeds(run: Run) -> None:
    right = Predictions(np.eye(8)[run.examples.targets], run.predictions.fold)
    wrong = Predictions(np.roll(right.probabilities, 1, axis=1), run.predictions.fold)
    figures = measure_runs([Run(0, run.examples, right), Run(1, run.examples, wrong)])
    assert (figures["accuracy"], figures["uar"], figures["accuracy_std_over_seeds"]) == (0.5, 0.5, 0.5)
    assert figures["per_sex"] == {"female": 0.5, "male": 0.5}
    assert [c["ece_debiased"] for c in figures["calibration"]] == pytest.approx([0, 1])


def test_an_ensemble_is_the_mean_over_seeds_whatever_their_order(run: Run) -> None:
    backwards = np.arange(len(run.examples.clips))[::-1]
    probabilities, fold = run.predictions.probabilities, run.predictions.fold
    examples = Examples.of(DataSet(run.examples.clips[::-1], EMOTIONS), [])
    other = Run(1, examples, Predictions(probabilities[backwards] ** 2, fold[backwards]))
    mean = ensemble([run, other]).predictions.probabilities
    np.testing.assert_allclose(mean, (probabilities + probabilities**2) / 2)


@pytest.mark.parametrize("text", ["", "clip,fold\n", "clip,fold,seed,label,predicted,p_a,p_b\n"])
def test_what_is_no_predictions_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="not predictions"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("0.", "zero.", "zero"), (",neutral,", ",calm,", "neutral by its name and calm by its column `label`")],
    ids=["no-number", "label-against-name"],
)
def test_a_broken_row_is_refused(run: Run, tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(path, [run])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_predictions(path)


def test_clips_of_one_name_go_by_their_paths(run: Run, tmp_path: Path) -> None:
    clips = [Clip(Path(f"{speaker}/take.wav"), "calm", speaker) for speaker in "ab"]
    examples = Examples.of(DataSet(clips, EMOTIONS), [])
    written = Run(0, examples, Predictions(run.predictions.probabilities[:2], np.array([0, 1])))
    write_predictions(tmp_path / "predictions.csv", [written])
    (read,) = read_predictions(tmp_path / "predictions.csv")
    assert [str(clip.path) for clip in read.examples.clips] == ["a/take.wav", "b/take.wav"]


def test_the_same_file_twice_has_two_names(run: Run, tmp_path: Path) -> None:
    clips = [
        Clip(Path("a/take.wav"), "calm", "a"),
        Clip(Path("b/take.wav"), "sad", "b"),
        Clip(Path("a/take.wav"), "calm", "a"),
    ]
    written = Run(
        0, Examples.of(DataSet(clips, EMOTIONS), []), Predictions(run.predictions.probabilities[:3], np.arange(3))
    )
    write_predictions(path := tmp_path / "predictions.csv", [written])
    (read,) = read_predictions(path)
    assert [str(clip.path) for clip in read.examples.clips] == ["a/take.wav", "b/take.wav", "a/take.wav#2"]


def test_runs_with_emotions_in_another_order_keep_their_answers(run: Run, tmp_path: Path) -> None:
    turned = Examples.of(DataSet(run.examples.clips, EMOTIONS[::-1]), [])
    other = Run(1, turned, Predictions(run.predictions.probabilities[:, ::-1], run.predictions.fold))
    path = tmp_path / "predictions.csv"
    for each in (run, other):
        add_run(path, each)
    first, second = read_predictions(path)
    np.testing.assert_array_equal(first.predictions.probabilities, second.predictions.probabilities)
    assert measure_runs([first])["accuracy"] == measure_runs([second])["accuracy"]


def test_runs_of_other_emotions_are_refused_and_what_is_kept_stays(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    add_run(path, run)
    before = path.read_bytes()
    more = Examples.of(DataSet(run.examples.clips, (*EMOTIONS, "bored")), [])
    shares = np.pad(run.predictions.probabilities, ((0, 0), (0, 1)))
    with pytest.raises(DataError, match=r"seed 1 are of neutral.*bored, and need another folder"):
        add_run(path, Run(1, more, Predictions(shares, run.predictions.fold)))
    with pytest.raises(DataError, match="another folder"):
        require_room(path, 1, more.data)
    assert path.read_bytes() == before
    require_room(path, 0, more.data)
    add_run(path, Run(0, more, Predictions(shares, run.predictions.fold)))
    assert [one.examples.emotions for one in read_predictions(path)] == [more.emotions]


def test_a_failed_write_leaves_what_is_kept(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(path, [run])
    before = path.read_bytes()
    short = Predictions(run.predictions.probabilities[:5], run.predictions.fold)
    with pytest.raises(ValueError, match="zip"):
        write_predictions(path, [run, Run(1, run.examples, short)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_label_that_was_mapped_counts_before_the_name(run: Run, tmp_path: Path) -> None:
    clips = [replace(clip, emotion="neutral") if clip.emotion == "calm" else clip for clip in run.examples.clips]
    written = Run(0, Examples.of(DataSet(clips, EMOTIONS), []), run.predictions)
    write_predictions(path := tmp_path / "predictions.csv", [written])
    (read,) = read_predictions(path)
    assert [(c.emotion, c.speaker, c.sex) for c in read.examples.clips] == [
        (c.emotion, c.speaker, c.sex) for c in clips
    ]


def test_speakers_that_no_name_tells_are_kept(run: Run, tmp_path: Path) -> None:
    clips = [Clip(Path(f"{n}.wav"), "calm", f"calls/{n}", "female", "", "calls", 40 + n) for n in range(2)]
    clips.append(replace(run.examples.clips[0], corpus="studio", speaker="studio/01"))
    examples = Examples.of(DataSet(clips, EMOTIONS), [])
    path = tmp_path / "predictions.csv"
    write_predictions(path, [Run(0, examples, Predictions(run.predictions.probabilities[:3], np.array([0, 1, 0])))])
    assert path.read_text().startswith("clip,fold,seed,label,predicted,corpus,speaker,sex,age,p_neutral")
    (read,) = read_predictions(path)
    assert [(c.corpus, c.speaker, c.sex, c.age) for c in read.examples.clips] == [
        ("calls", "calls/0", "female", 40), ("calls", "calls/1", "female", 41), ("studio", "studio/01", "male", None),
    ]  # fmt: skip
    (first,) = of_first_corpus([read])
    assert [clip.path.name for clip in first.examples.clips] == ["0", "1"]
    np.testing.assert_array_equal(first.predictions.probabilities, read.predictions.probabilities[:2])
    np.testing.assert_array_equal(first.predictions.fold, [0, 1])


def test_runs_say_how_many_answers_are_certain_and_right(run: Run) -> None:
    right = Predictions(np.eye(8)[run.examples.targets], run.predictions.fold)
    unsure = Predictions(np.full_like(right.probabilities, 1 / 8), run.predictions.fold)
    certain, uncertain = measure_runs([Run(0, run.examples, right), Run(1, run.examples, unsure)])["calibration"]
    assert (certain["sure"], certain["sure_right"], certain["sure_right_interval"]) == (1.0, 1.0, [1.0, 1.0])
    assert (uncertain["sure"], uncertain["sure_right"], uncertain["sure_right_interval"]) == (0.0, None, None)


def test_a_clip_twice_in_a_run_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_predictions(path, [run])
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(DataError, match="a clip twice"):
        read_predictions(path)


def calibrated(clips: int, seed: int, excess: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and outcomes of a model that is `excess` too sure of itself."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.4, 0.95, clips)
    return confidence, random.random(clips) < confidence - excess


def plain_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    parts = np.array_split(np.argsort(confidence), 15)
    return sum(abs(confidence[p].mean() - correct[p].mean()) * len(p) for p in parts) / len(confidence)


def test_what_chance_adds_is_taken_off() -> None:
    drawn = [calibrated(600, seed) for seed in range(50)]
    plain = np.mean([plain_error(*one) for one in drawn])
    debiased = np.mean([debiased_calibration_error(*one) for one in drawn])
    assert debiased < 0.5 * plain  # of a perfect model: what is left comes from not going below 0


def test_a_real_gap_stays_and_its_interval_holds_it() -> None:
    confidence, correct = calibrated(6000, 0, excess=0.1)
    assert debiased_calibration_error(confidence, correct) == pytest.approx(0.1, abs=0.02)
    interval = calibration_interval(confidence, correct, np.arange(6000) % 24, draws=200)
    assert interval
    assert interval[0] < 0.1 < interval[1] < 0.16


def test_an_estimate_of_nothing_still_has_an_upper_end() -> None:
    confidence, correct = calibrated(480, 0)
    interval = calibration_interval(confidence, correct, np.arange(480) % 24, draws=200)
    assert interval
    assert interval[0] == 0
    assert interval[1] > max(0.01, debiased_calibration_error(confidence, correct))


def test_the_interval_of_a_calibration_error_ends_at_one() -> None:
    # Sure and wrong but for one speaker: mirrored at the estimate the upper end would be beyond 1.
    speakers, confidence = np.arange(120) % 6, np.full(120, 0.99)
    interval = calibration_interval(confidence, speakers == 0, speakers, draws=200)
    assert interval
    assert interval[1] == 1.0


def test_the_calibration_error_of_one_speaker_has_no_interval() -> None:
    confidence, correct = calibrated(60, 0)
    assert calibration_interval(confidence, correct, np.zeros(60)) is None


def test_kept_figures_of_one_speaker_are_shown_without_intervals(run: Run) -> None:
    own = Examples.of(DataSet(run.examples.clips[:8], EMOTIONS), [])
    figures = measure_runs([Run(0, own, Predictions(run.predictions.probabilities[:8], np.zeros(8, np.intp)))])
    assert figures["calibration"][0]["interval"] is figures["calibration"][0]["sure_interval"] is None
    (row,) = predictions_table({"ours": figures}).splitlines()[2:]
    assert row.count("% (interval not known)") >= 2


def test_perfect_certainty_has_no_calibration_error() -> None:
    assert debiased_calibration_error(np.ones(50), np.ones(50, bool)) == 0


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("path", Path("calls/9.wav"), r"0 \(sad, a\) is in that data set alone"),
        ("emotion", "calm", r"0 \(calm, a\) is in this data set alone"),
        ("speaker", "b", r"0 \(sad, a\) is in that data set alone"),
    ],
)
def test_runs_of_other_clips_are_refused_and_what_is_kept_stays(
    run: Run, tmp_path: Path, column: str, value: Any, told: str
) -> None:
    clips = [Clip(Path(f"calls/{n}.wav"), "sad", "ab"[n % 2]) for n in range(3)]
    answers = Predictions(run.predictions.probabilities[:3], np.arange(3))
    path = tmp_path / "predictions.csv"
    add_run(path, Run(0, Examples.of(DataSet(clips, EMOTIONS), []), answers))
    before = path.read_bytes()
    changed = DataSet([replace(clips[0], **{column: value}), *clips[1:]], EMOTIONS)
    with pytest.raises(DataError, match=rf"seed 0 for other clips, of which seed 1 .* {told}; choose another folder"):
        require_room(path, 1, changed)
    with pytest.raises(DataError, match="for other clips"):
        add_run(path, Run(1, Examples.of(changed, []), answers))
    with pytest.raises(DataError, match="for other clips"):
        require_room(path, 1, DataSet(clips[:2], EMOTIONS))
    assert path.read_bytes() == before
    require_room(path, 1, DataSet(clips[::-1], EMOTIONS))
    require_room(path, 0, changed)  # the run that is there goes


def test_a_sex_that_one_run_alone_knows_has_the_mean_of_that_run(run: Run) -> None:
    unknown = DataSet([replace(clip, sex="") for clip in run.examples.clips], EMOTIONS)
    other = Run(1, Examples.of(unknown, []), run.predictions)
    figures = measure_runs([other, run])
    assert figures["per_sex"] == measure_runs([run])["per_sex"]
    table = seeds_table({"ours": figures})
    assert "| model | seed | accuracy | UAR | female | male |" in table
    assert table.splitlines()[2].endswith("| none | none |")
    assert table.splitlines()[-1].startswith("| mean |")
