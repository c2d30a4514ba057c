"""How a model does on each corpus: on speakers that it never heard, and on a corpus that it never heard."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError
from training_pipeline.training.calibrate import debiased_calibration_error

FIXED = ("corpus", "clip", "speaker", "sex", "age", "seed", "label", "predicted", "left_out")
REQUIRED = ("corpus", "clip", "speaker", "label", "left_out")
YES_NO = {"yes": True, "no": False}
DIGITS = 6
MIN_CONFIDENCE = 0.5
"""The gateway's default: an answer below it is uncertain."""
DRAWS, LEVEL = 2_000, 0.95
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Heard:
    """What a model said of the clips of one corpus, which it was trained without if that was left out.

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

    The answer is the model's most probable emotion, as it is served; `uar_among` asks only among the labels that the
    corpus has. ECE is debiased. Intervals are of a bootstrap over speakers; a share of nothing is null.
    """
    known = [i for i, clip in enumerate(heard.clips) if clip.emotion in heard.emotions]
    figures: dict[str, Any] = {"clips": len(known), "unknown_label": len(heard.clips) - len(known)}
    if not known:
        return figures
    probabilities = heard.probabilities[known]
    targets = np.array([heard.emotions.index(heard.clips[i].emotion) for i in known])
    labels = np.unique(targets)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == targets
    among = labels[probabilities[:, labels].argmax(axis=1)] == targets
    sure = confidence >= MIN_CONFIDENCE
    names = np.array([heard.clips[i].speaker for i in known])
    speakers, speaker = np.unique(names, return_inverse=True)
    drawn = np.random.default_rng(0).integers(0, len(speakers), (DRAWS, len(speakers)))
    weights = np.stack([np.bincount(draw, minlength=len(speakers)) for draw in drawn]).astype(np.float64)
    per_label = [(np.bincount(speaker, (targets == n) & right), np.bincount(speaker, targets == n)) for n in labels]
    everyone = np.ones((1, len(speakers)))
    sexes = np.array([heard.clips[i].sex for i in known])
    return figures | {
        "speakers": len(speakers),
        **_with_interval("accuracy", lambda w: _ratio(w, speaker, right, np.ones_like(right)), everyone, weights),
        **_with_interval("uar", lambda w: _mean_recall(w, per_label), everyone, weights),
        "uar_among": float(np.mean([among[targets == n].mean() for n in labels])),
        "ece_debiased": debiased_calibration_error(confidence, right),
        "sure": float(sure.mean()),
        **_with_interval("sure_right", lambda w: _ratio(w, speaker, right & sure, sure), everyone, weights),
        "per_sex": {sex: float(right[sexes == sex].mean()) for sex in sorted(set(sexes.tolist())) if sex},
    }


def write_across(path: Path, parts: Sequence[Heard]) -> None:
    """Write a row for each clip; `p_<emotion>` is empty where the row's model does not tell that emotion apart."""
    emotions = tuple(dict.fromkeys(emotion for part in parts for emotion in part.emotions))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIXED, *(f"p_{emotion}" for emotion in emotions)])
        for part in sorted(parts, key=lambda part: (part.seed, part.corpus, part.left_out)):
            left_out = "yes" if part.left_out else "no"
            for clip, row in zip(part.clips, part.probabilities, strict=True):
                shown = dict(zip(part.emotions, (f"{value:.{DIGITS}f}" for value in row), strict=True))
                said = [clip.emotion, part.emotions[int(row.argmax())], left_out]
                who = [part.corpus, clip.path.stem, clip.speaker, clip.sex, clip.age, part.seed]
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


def _with_interval(name: str, statistic: Any, everyone: Array, weights: Array) -> dict[str, Any]:
    value = statistic(everyone)[0]
    drawn = statistic(weights)
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if not np.isnan(value) else (None, None)
    if low is None or high is None:
        return {name: None, f"{name}_interval": None}
    return {name: float(value), f"{name}_interval": [float(low), float(high)]}


def _ratio(weights: Array, speaker: Array, counted: Array, among: Array) -> Array:
    """For each row of speakers' `weights` the share of `among` that is `counted`; NaN of none."""
    top, whole = weights @ np.bincount(speaker, counted), weights @ np.bincount(speaker, among)
    return np.asarray(np.divide(top, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def _mean_recall(weights: Array, per_label: Sequence[tuple[Array, Array]]) -> Array:
    """For each row of speakers' `weights` the mean over labels that occur of the share that is right."""
    tops, wholes = (np.stack([weights @ pair[part] for pair in per_label]) for part in (0, 1))
    recalls = np.divide(tops, wholes, out=np.full(tops.shape, np.nan), where=wholes > 0)
    return np.asarray(np.nanmean(recalls, axis=0))
