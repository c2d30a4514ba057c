"""Held-out predictions as a CSV, and every figure that can be made of them without training anything."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speech_emotion.files import whole_file
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.ravdess import clip_of
from training_pipeline.errors import DataError
from training_pipeline.evaluation.figures import Predictions, measure
from training_pipeline.evaluation.over_speakers import OverSpeakers
from training_pipeline.training.calibrate import calibration_interval, debiased_calibration_error
from training_pipeline.training.examples import Examples

FIXED = ("clip", "fold", "seed", "label", "predicted")
WHO = ("corpus", "speaker", "sex", "age")
"""Columns for clips whose names do not say these, as names of RAVDESS do; an unknown age is empty."""
DIGITS = 6


@dataclass(frozen=True)
class Run:
    """One cross-validation: every clip held out once, with one seed."""

    seed: int
    examples: Examples
    predictions: Predictions


def write_predictions(path: Path, runs: Sequence[Run]) -> None:
    """Write `clip, fold, seed, label, predicted` and `p_<emotion>` for each emotion; folds count from 1.

    The column `label` holds the true emotion. Unless every clip's name says the rest, as names of RAVDESS do, the
    columns `WHO` follow it. A clip goes by what `names_of` says. Raises DataError for runs of other emotions.
    """
    emotions = runs[0].examples.emotions
    for run in runs:
        _require_emotions(path, run.seed, run.examples.emotions, emotions)
    who = () if all(_says_all(clip) for run in runs for clip in run.examples.clips) else WHO
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIXED, *who, *(f"p_{emotion}" for emotion in emotions)])
        for run in sorted(runs, key=lambda run: run.seed):
            names = names_of(run.examples.clips)
            own = run.predictions.probabilities[:, [run.examples.emotions.index(emotion) for emotion in emotions]]
            for name, clip, row, fold in zip(names, run.examples.clips, own, run.predictions.fold, strict=True):
                predicted = emotions[int(row.argmax())]
                shown = [f"{value:.{DIGITS}f}" for value in row]
                told = [getattr(clip, column) for column in who]
                writer.writerow([name, fold + 1, run.seed, clip.emotion, predicted, *told, *shown])


def add_run(path: Path, run: Run) -> None:
    """Write a run's predictions beside those of other seeds; an earlier run of its seed goes.

    Raises DataError if what is there cannot be read, or is of other clips or emotions: seeds have a mean only where all
    answered the same.
    """
    require_room(path, run.seed, run.examples.data)
    write_predictions(path, [*_others(path, run.seed), run])


def require_room(path: Path, seed: int, data: DataSet) -> None:
    """Raise the DataError that `add_run` would raise for a run on `data`, before there is a run."""
    own = _who_said_what(names_of(data.clips), data.clips)
    for other in _others(path, seed):
        _require_emotions(path, seed, data.emotions, other.examples.emotions)
        clips = other.examples.clips
        kept = _who_said_what([clip.path.as_posix() for clip in clips], clips)
        if strange := sorted(own ^ kept):
            name, emotion, speaker = strange[0]
            raise DataError(
                f"{path} has predictions of seed {other.seed} for other clips, of which seed {seed} cannot be another "
                f"run: {name} ({emotion}, {speaker}) is in {'this' if strange[0] in own else 'that'} data set alone; "
                "choose another folder"
            )


def _others(path: Path, seed: int) -> list[Run]:
    return [other for other in read_predictions(path) if other.seed != seed] if path.is_file() else []


def _who_said_what(names: Sequence[str], clips: Sequence[Clip]) -> set[tuple[str, str, str]]:
    """The name, emotion and speaker of each clip."""
    return {(name, clip.emotion, clip.speaker) for name, clip in zip(names, clips, strict=True)}


def _require_emotions(path: Path, seed: int, own: Sequence[str], kept: Sequence[str]) -> None:
    if set(own) != set(kept):
        raise DataError(
            f"{path} has predictions of {', '.join(kept)}; those of seed {seed} are of {', '.join(own)}, and need "
            "another folder"
        )


def names_of(clips: Sequence[Clip]) -> list[str]:
    """A name for each clip: its file's name without ending, or its path where two have the same name.

    The same file a second time is `PATH#2`.
    """
    names = [clip.path.stem for clip in clips]
    if len(set(names)) == len(names):
        return names
    seen = Counter[str]()
    for i, clip in enumerate(clips):
        path = clip.path.as_posix()
        seen[path] += 1
        names[i] = path if seen[path] == 1 else f"{path}#{seen[path]}"
    return names


def _says_all(clip: Clip) -> bool:
    """Whether a clip's name says its emotion, speaker and sex, as a name of RAVDESS does."""
    known = clip_of(clip.path)
    return known is not None and (known.emotion, known.speaker, known.sex) == (clip.emotion, clip.speaker, clip.sex)


def read_predictions(path: Path) -> list[Run]:
    """Read what `write_predictions` wrote, a run for each seed.

    Raises DataError for a missing column, a value that is not a number, an emotion without its
    column, or a clip twice in a run.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    emotions = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))
    missing = [name for name in FIXED if name not in columns]
    if missing or len(emotions) < 2 or not rows:
        raise DataError(f"{path}: not predictions, no column {', '.join(missing) or 'p_<emotion>, or no row'}")
    try:
        seeds = sorted({int(row["seed"]) for row in rows})
        return [_run(path, seed, [row for row in rows if int(row["seed"]) == seed], emotions) for seed in seeds]
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def of_first_corpus(runs: Sequence[Run]) -> list[Run]:
    """Each run with the clips of its first corpus alone: the one that was named first."""
    return [_of_corpus(run, run.examples.clips[0].corpus) for run in runs]


def _of_corpus(run: Run, corpus: str) -> Run:
    own = np.array([i for i, clip in enumerate(run.examples.clips) if clip.corpus == corpus])
    examples = Examples.of(run.examples.data.part(own), [])
    return Run(run.seed, examples, Predictions(run.predictions.probabilities[own], run.predictions.fold[own]))


def measure_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """Means over seeds of what `measure` says, and the calibration of each run, as JSON.

    The calibration includes `OverSpeakers.certainty`.
    """
    measured = [measure(run.predictions, run.examples) for run in runs]
    names = ("accuracy", "accuracy_std", "uar")
    sexes = sorted({sex for m in measured for sex in m["per_sex"]})
    return {
        "seeds": [run.seed for run in runs],
        **{name: float(np.mean([m[name] for m in measured])) for name in names},
        "accuracy_std_over_seeds": float(np.std([m["accuracy"] for m in measured])),
        "per_sex": {sex: float(np.mean([m["per_sex"][sex] for m in measured if sex in m["per_sex"]])) for sex in sexes},
        "calibration": [_calibration(run) for run in runs],
        "runs": measured,
    }


def ensemble(runs: Sequence[Run]) -> Run:
    """The mean of what all seeds answer to each clip, as a model of all of them would.

    Raises DataError unless all heard the same clips.
    """
    first = runs[0]
    names = [str(clip.path) for clip in first.examples.clips]
    if any({str(clip.path) for clip in run.examples.clips} != set(names) for run in runs):
        raise DataError("only predictions of the same clips have a mean")
    order = [np.argsort([str(clip.path) for clip in run.examples.clips]) for run in runs]
    mean = np.mean([run.predictions.probabilities[own] for run, own in zip(runs, order, strict=True)], axis=0)
    return Run(first.seed, first.examples, Predictions(mean[np.argsort(np.argsort(names))], first.predictions.fold))


def _calibration(run: Run) -> dict[str, Any]:
    confidence, correct = confidence_of(run)
    speakers = np.array([clip.speaker for clip in run.examples.clips])
    interval = calibration_interval(confidence, correct, speakers)
    certain = OverSpeakers(speakers).certainty(confidence, correct)
    return {"ece_debiased": debiased_calibration_error(confidence, correct), "interval": interval, **certain}


def confidence_of(run: Run) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The highest probability of each clip, and whether it is that of the true emotion."""
    probabilities = run.predictions.probabilities
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == run.examples.targets


def _run(path: Path, seed: int, rows: Sequence[dict[str, str]], emotions: tuple[str, ...]) -> Run:
    clips = [_clip(row) for row in rows]
    unknown = sorted({clip.emotion for clip in clips} - set(emotions))
    if unknown or len({row["clip"] for row in rows}) != len(rows):
        raise DataError(f"{path}: seed {seed} has {'emotion ' + unknown[0] if unknown else 'a clip twice'}")
    probabilities = np.array([[float(row[f"p_{emotion}"]) for emotion in emotions] for row in rows])
    fold = np.array([int(row["fold"]) - 1 for row in rows])
    return Run(seed, Examples.of(DataSet(clips, emotions), []), Predictions(probabilities, fold))


def _clip(row: dict[str, str]) -> Clip:
    """A clip from its row; without the columns `WHO` its speaker is known where its name is one of RAVDESS."""
    if row.get("speaker"):
        age = int(row["age"]) if row.get("age") else None
        named = row["speaker"], row.get("sex") or "", "", row.get("corpus") or ""
        return Clip(Path(row["clip"]), row["label"], *named, age)
    known = clip_of(Path(row["clip"]))
    if known is not None and known.emotion != row["label"]:
        raise DataError(f"clip {row['clip']} is {known.emotion} by its name and {row['label']} by its column `label`")
    return known if known is not None else Clip(Path(row["clip"]), row["label"], row["clip"])
