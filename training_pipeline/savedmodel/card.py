"""The model card that travels inside a SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from training_pipeline.identity import revision, software, sources
from training_pipeline.training.calibration import Calibration
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job
from training_pipeline.training.train import Method, Trained

PACKAGES = ("speech_emotion", "training_pipeline")
"""Those whose sources a version follows from."""
STARTED_LICENCE = "licence of its weights"
"""In what is said of a version that was started from."""
BETWEEN = "; "
"""Stands between licences."""
ON_SPEAKERS = "temperature, on held-out training speakers"
ON_CLIPS = "temperature, on held-out clips of the same speakers: it does not hold for others"
ON_CORPORA = "temperatures by unlikeness to training, on corpora left out in turn and held-out speakers"
NOT_CALIBRATED = "none: its probabilities are not calibrated"
METHODS = {Method.SPEAKERS: ON_SPEAKERS, Method.CLIPS: ON_CLIPS, Method.NONE: NOT_CALIBRATED}
"""How a version was calibrated, with one temperature."""
INTENDED_USE = "To name how speech sounds, as listeners would, in {heard}. It does not know what a person feels."
FIGURES_MEAN = (
    "Share of clips that are named as they are labelled, by speakers never heard in training. Where emotions were "
    "acted they are plainer than in life: expect less of spontaneous speech, and of other languages, rooms, "
    "microphones and speakers than those of the data. A probability holds on such clips only."
)
NOT_FOR = (
    "telling what a person feels, thinks or intends: it is no lie or mood detector, and no diagnosis",
    "decisions about a person, such as hiring, credit, insurance, policing or asylum",
    "emotion recognition at work or in education, which is prohibited in the European Union except for medical or "
    "safety reasons (AI Act, Article 5(1)(f)); elsewhere those concerned must be told (Article 50(3))",
)


def make_card(
    job: Job,
    examples: Examples,
    trained: Trained,
    metrics: dict[str, Any],
    folds: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Everything that a reader of the model should know, as JSON.

    `examples` are those of the job that were trained on; `folds` the test speakers of each fold behind `metrics`.
    """
    x, _ = examples.windows()
    facts = job.facts
    return {
        "model": job.network.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": job.seed,
        "parameters": int(trained.model.count_params()),
        "data": {
            "name": facts.name,
            "clips": len(examples.clips),
            "speakers": sorted({clip.speaker for clip in examples.clips}),
            "licence": facts.licence,
            "source": facts.source,
        },
        "pretrained": job.network.provenance(),
        "licences": {"data": facts.licence, "weights": _weights_licence(job), "code": "Apache-2.0"},
        "evaluation": metrics,
        "folds": [list(speakers) for speakers in folds],
        "calibration": _calibration(trained.temperature, trained.method, examples),
        "feature_statistics": {
            "mean": [round(float(v), 6) for v in x.mean(axis=(0, 1))],
            "std": [round(float(v), 6) for v in x.std(axis=(0, 1))],
        },
        "feature_fingerprint": job.network.spec.fingerprint,
        "intended_use": INTENDED_USE.format(heard=facts.heard),
        "figures_mean": FIGURES_MEAN,
        "not_for": list(NOT_FOR),
        "software": dict(software()),
        "revision": revision(),
        "sources": sources(*PACKAGES)[:16],
    }


def _calibration(of: float | Calibration, method: Method, examples: Examples) -> dict[str, Any]:
    """What the card says of a calibration: one temperature, or the numbers of each corpus, in the order of names."""
    if not isinstance(of, Calibration):
        return {"method": METHODS[method], "temperature": of}
    numbers, corpora = of.numbers, sorted({clip.corpus for clip in examples.clips})
    return {
        "method": ON_CORPORA,
        "temperature": float(np.exp(np.log(numbers.temperatures).mean())),
        "temperatures": dict(zip(corpora, numbers.temperatures.tolist(), strict=True)),
        "exponent": numbers.exponent,
        "sharpness": numbers.sharpness,
    }


def _weights_licence(job: Job) -> str:
    """That of the data, and of a version that was started from, which may itself be several; each once."""
    before = job.network.provenance().get(STARTED_LICENCE, "")
    return BETWEEN.join(dict.fromkeys(filter(None, [job.facts.licence, *before.split(BETWEEN)])))
