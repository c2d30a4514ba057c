"""Answers as the service would give them, to clips made worse and to sounds that are no speech."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import Limits, QualityLimits, decode, load
from speech_emotion.features import FeatureSpec
from speech_emotion.hearing import hear, spoken_features
from training_pipeline.robustness.conditions import CONDITIONS, wav
from training_pipeline.robustness.sounds import SOUNDS
from training_pipeline.training.calibrate import MIN_CONFIDENCE
from training_pipeline.training.examples import Examples

TAKES, TAKE_S = 20, 3.5
"""Of each sound, and the seconds of one: as long as a clip of RAVDESS."""
Array = npt.NDArray[np.float32]
Row = npt.NDArray[np.float64]
Figures = dict[str, float | None]


class Robustness:
    """Collects a model's figures fold by fold; called with each fold's model and its held-out clips.

    `clips`: at most so many of each fold, drawn by chance, the same for every model and seed. Of several corpora the
    first alone is heard, as in the tables of accuracy: figures of models of one corpus and of several compare.
    """

    def __init__(self, spec: FeatureSpec, seed: int, clips: int | None = None) -> None:
        self._spec = spec
        self._clips = clips
        self._seed = seed
        self._folds: list[dict[str, dict[str, Figures]]] = []

    def __call__(self, trained: Predicts, test: Examples) -> None:
        """Measure every condition on `test`, and every sound."""
        test = test.subset(np.flatnonzero([clip.corpus == test.clips[0].corpus for clip in test.clips]))
        test = test.subset(np.sort(_random("clips").permutation(len(test.clips))[: self._clips]))
        targets = test.targets.tolist()
        conditions = {name: figures(answers(trained, self._worse(name, test)), targets) for name in CONDITIONS}
        sounds = {name: figures(answers(trained, takes)) for name, takes in self._sounds.items()}
        self._folds.append({"conditions": conditions, "not_speech": sounds})

    def summary(self) -> dict[str, Any]:
        """Means over folds, beside what each fold had, as JSON."""
        means = {
            part: {name: _over_folds([fold[part][name] for fold in self._folds]) for name in self._folds[0][part]}
            for part in ("conditions", "not_speech")
        }
        return {"seed": self._seed, "min_confidence": MIN_CONFIDENCE, **means, "folds": self._folds}

    def _worse(self, name: str, test: Examples) -> list[Array]:
        rate = self._spec.sample_rate
        return [
            heard_features(CONDITIONS[name](load(clip.path, rate), rate, _random(name, clip.path.stem)), self._spec)
            for clip in test.clips
        ]

    @cached_property
    def _sounds(self) -> dict[str, list[Array]]:
        rate = self._spec.sample_rate
        takes = {
            name: [sound(round(TAKE_S * rate), rate, _random(name, str(take))) for take in range(TAKES)]
            for name, sound in SOUNDS.items()
        }
        return {name: [heard_features(wav(take, rate), self._spec) for take in found] for name, found in takes.items()}


def heard_features(data: bytes, spec: FeatureSpec) -> Array:
    """Features of a file's windows with speech, `[windows, frames, bins]`, as the gateway makes them."""
    samples, info = decode(data, Limits())
    return spoken_features(hear(samples, info, spec, QualityLimits()), spec)


class Predicts(Protocol):
    """A trained network, or a version as it is served."""

    def predict(self, features: Sequence[Array]) -> Row:
        """Probabilities `[clips, emotions]` of each clip's windows `[windows, frames, bins]`."""
        ...


def answers(model: Predicts, features: Sequence[Array]) -> list[Row | None]:
    """Probabilities `[emotions]` of each file, from its windows with speech; none where no window has any."""
    spoken = [windows for windows in features if len(windows)]
    rows = iter(model.predict(spoken) if spoken else ())
    return [next(rows) if len(windows) else None for windows in features]


def figures(rows: Sequence[Row | None], targets: Sequence[int] | None = None) -> Figures:
    """Shares of all files, where a file without an answer is wrong; confidences of those that were answered."""
    confidence = [float(row.max()) for row in rows if row is not None]
    found: Figures = {
        "files": len(rows),
        "no_speech": 1 - len(confidence) / len(rows),
        "uncertain": sum(value < MIN_CONFIDENCE for value in confidence) / len(rows),
        "confident": sum(value >= MIN_CONFIDENCE for value in confidence) / len(rows),
        "confidence": _mean(confidence),
        "confidence_max": max(confidence, default=None),
    }
    if targets is None:
        return found
    answered = [(row, target) for row, target in zip(rows, targets, strict=True) if row is not None]
    wrong = [float(row.max()) for row, target in answered if row.argmax() != target]
    accuracy = (len(answered) - len(wrong)) / len(rows)
    return {"accuracy": accuracy, **found, "confidence_wrong": _mean(wrong)}


def _over_folds(folds: Sequence[Figures]) -> Figures:
    """The mean of each figure over the folds that have it; all files, and the highest confidence of any."""
    known = {key: [value for fold in folds if (value := fold[key]) is not None] for key in folds[0]}
    means = {key: _mean(values) for key, values in known.items()}
    return means | {"files": sum(known["files"]), "confidence_max": max(known["confidence_max"], default=None)}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _random(*names: str) -> np.random.Generator:
    # The same noise for every model, fold and seed, so that figures differ by the model alone.
    return np.random.default_rng(zlib.crc32(" ".join(names).encode()))
