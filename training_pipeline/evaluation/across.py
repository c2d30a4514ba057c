"""How a model does on each corpus: on speakers that it never heard, and on a corpus that it never heard."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speech_emotion.files import whole_file
from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError
from training_pipeline.evaluation.over_speakers import OverSpeakers
from training_pipeline.evaluation.predictions import names_of
from training_pipeline.training.calibrate import calibration_interval, debiased_calibration_error

FIXED = ("corpus", "clip", "speaker", "sex", "age", "seed", "label", "predicted", "left_out")
REQUIRED = ("corpus", "clip", "speaker", "label", "left_out")
YES_NO = {"yes": True, "no": False}
DIGITS = 6
SMALLEST = 1e-12
"""Least probability of an emotion that a corpus has, so that one of them is the most probable."""
AGE_STEPS, AGES = (30, 45, 60), ("under 30", "30 to 44", "45 to 59", "60 and over")
CALIBRATION_DRAWS = 200
"""Bootstrap draws for the interval of the ECE; each of them sorts thousands of clips."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Heard:
    """What a model answered to the clips of one corpus, which it was not trained on if `left_out` is true.

    `probabilities` `[clips, emotions]` are of the emotions that the model tells apart, which may lack some that the
    corpus has labels for, and have others.
    """

    corpus: str
    left_out: bool
    seed: int
    clips: Sequence[Clip]
    emotions: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]


def measure_corpus(heard: Heard) -> dict[str, Any]:
    """Figures as JSON, of the clips whose label the model can answer.

    The answer is the model's most probable emotion, as it is served. `among` has the same figures if the model
    may only answer labels of the corpus: a corpus without the label `surprised` cannot say whether that was right.
    ECE is debiased. Intervals are of a bootstrap over speakers; a share of nothing is null, and so is
    an interval of one speaker.
    """
    known = [i for i, clip in enumerate(heard.clips) if clip.emotion in heard.emotions]
    figures: dict[str, Any] = {"clips": len(known), "unknown_label": len(heard.clips) - len(known)}
    if not known:
        return figures
    clips = [heard.clips[i] for i in known]
    over = OverSpeakers([clip.speaker for clip in clips])
    probabilities = heard.probabilities[known]
    targets = np.array([heard.emotions.index(clip.emotion) for clip in clips])
    return figures | {
        "speakers": over.count,
        **_measured(probabilities, targets, clips, over),
        "among": _measured(_among(probabilities, targets), targets, clips, over),
    }


def _among(probabilities: Array, targets: Array) -> Array:
    """Probabilities `[clips, emotions]` given that the emotion is one of those in `targets`; all others get 0."""
    occurs = np.isin(np.arange(probabilities.shape[1]), targets)
    own = np.where(occurs, np.maximum(probabilities, SMALLEST), 0)
    return np.asarray(own / own.sum(axis=1, keepdims=True))


def _measured(probabilities: Array, targets: Array, clips: Sequence[Clip], over: OverSpeakers) -> dict[str, Any]:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == targets
    speakers = np.array([clip.speaker for clip in clips])
    return {
        **over.measured("accuracy", over.share(right)),
        **over.measured("uar", over.mean_share(right, targets)),
        "ece_debiased": debiased_calibration_error(confidence, right),
        "ece_interval": calibration_interval(confidence, right, speakers, CALIBRATION_DRAWS),
        **over.certainty(confidence, right),
        "per_sex": _by([clip.sex for clip in clips], right),
        "per_age": _by([age_group(clip.age) for clip in clips], right),
    }


def age_group(age: int | None) -> str:
    """`under 30`, `30 to 44`, `45 to 59` or `60 and over`; empty for an age that is not known."""
    if age is None:
        return ""
    return AGES[int(np.searchsorted(AGE_STEPS, age, side="right"))]


def _by(groups: Sequence[str], right: Array) -> dict[str, float]:
    """The accuracy of each group, without clips whose group is not known."""
    of = np.array(groups)
    order = sorted(set(groups), key=lambda group: (AGES.index(group) if group in AGES else 0, group))
    return {group: float(right[of == group].mean()) for group in order if group}


def write_across(path: Path, parts: Sequence[Heard]) -> None:
    """Write a row for each clip; `p_<emotion>` is empty where the row's model does not tell that emotion apart.

    A clip goes by what `predictions.names_of` says of its part.
    """
    emotions = tuple(dict.fromkeys(emotion for part in parts for emotion in part.emotions))
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIXED, *(f"p_{emotion}" for emotion in emotions)])
        for part in sorted(parts, key=lambda part: (part.seed, part.corpus, part.left_out)):
            left_out = "yes" if part.left_out else "no"
            for name, clip, row in zip(names_of(part.clips), part.clips, part.probabilities, strict=True):
                shown = dict(zip(part.emotions, (f"{value:.{DIGITS}f}" for value in row), strict=True))
                said = [clip.emotion, part.emotions[int(row.argmax())], left_out]
                who = [part.corpus, name, clip.speaker, clip.sex, clip.age, part.seed]
                writer.writerow([*who, *said, *(shown.get(emotion, "") for emotion in emotions)])


def add_across(path: Path, parts: Sequence[Heard]) -> None:
    """Write parts beside those that are kept already, in place of earlier ones of the same corpus, kind and seed."""
    new = {(part.corpus, part.left_out, part.seed) for part in parts}
    kept = [p for p in read_across(path) if (p.corpus, p.left_out, p.seed) not in new] if path.is_file() else []
    write_across(path, [*kept, *parts])


def read_across(path: Path) -> list[Heard]:
    """Read what `write_across` wrote. Raises DataError, naming the line where there is one, for anything else."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        rows = list(enumerate(reader, 2))
    missing = [name for name in REQUIRED if name not in columns]
    emotions = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))
    if missing or len(emotions) < 2 or not rows:
        raise DataError(
            f"{path}: not answers across corpora, no column {', '.join(missing) or 'p_<emotion>, or no row'}"
        )
    groups: dict[tuple[str, bool, int], list[tuple[int, dict[str, str]]]] = {}
    for line, row in rows:
        try:
            key = (row["corpus"], YES_NO[row["left_out"]], int(row.get("seed") or 0))
        except (KeyError, ValueError):
            raise DataError(f"{path}, line {line}: left_out must be yes or no, the seed a whole number") from None
        groups.setdefault(key, []).append((line, row))
    return [_part(path, *key, group, emotions) for key, group in groups.items()]


def _part(
    path: Path,
    corpus: str,
    left_out: bool,
    seed: int,
    rows: Sequence[tuple[int, dict[str, str]]],
    emotions: tuple[str, ...],
) -> Heard:
    told = tuple(emotion for emotion in emotions if rows[0][1][f"p_{emotion}"])
    clips, probabilities = [], []
    for line, row in rows:
        try:
            probabilities.append([float(row[f"p_{emotion}"]) for emotion in told])
            age = int(row["age"]) if row.get("age") else None
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        clips.append(Clip(Path(row["clip"]), row["label"], row["speaker"], row.get("sex") or "", "", corpus, age))
    return Heard(corpus, left_out, seed, clips, told, np.array(probabilities))


def measure_across(parts: Iterable[Heard]) -> list[dict[str, Any]]:
    """Figures of each corpus, trained on and left out, for each seed; corpora by name."""
    ordered = sorted(parts, key=lambda part: (part.corpus, part.left_out, part.seed))
    return [{"corpus": p.corpus, "left_out": p.left_out, "seed": p.seed, **measure_corpus(p)} for p in ordered]
