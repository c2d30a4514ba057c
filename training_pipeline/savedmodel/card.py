"""The model card that travels inside a SavedModel."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training_pipeline.data import ravdess
from training_pipeline.data.folds import speaker_folds
from training_pipeline.networks.registry import Network
from training_pipeline.training.train import Examples, Trained

UNNAMED, UNKNOWN = "unnamed", "unknown"
RAVDESS_HEARD = "acted North American English: two sentences, one studio, 24 actors at most"
SOFTWARE = ("keras", "librosa", "numpy", "scikit-learn", "soxr", "tensorflow")
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
    network: Network,
    examples: Examples,
    trained: Trained,
    seed: int,
    data: str,
    licence: str,
    metrics: dict[str, Any],
    folds: list[list[str]] | None = None,
) -> dict[str, Any]:
    """Everything that a reader of the model should know, as JSON.

    `examples` are those trained on; `folds` the test speakers of each fold behind `metrics`, left out where these are
    the folds of `examples`. Clips of RAVDESS are known by their names: what is `unknown` or `unnamed` is filled in.
    """
    x, _ = examples.windows()
    known = [ravdess.clip_of(clip.path) is not None for clip in examples.clips]
    if any(known):
        licence = ravdess.LICENCE if licence == UNKNOWN else licence
        data = ravdess.NAME if data == UNNAMED else data
    return {
        "model": network.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "parameters": int(trained.model.count_params()),
        "data": {
            "name": data,
            "clips": len(examples.clips),
            "speakers": sorted({clip.speaker for clip in examples.clips}),
            "licence": licence,
            "source": ravdess.CITATION if any(known) else "",
        },
        "pretrained": network.provenance(),
        "licences": {"data": licence, "weights": licence, "code": "Apache-2.0"},
        "evaluation": metrics,
        "folds": folds if folds is not None else fold_speakers(examples) if metrics else [],
        "calibration": {"method": "temperature, on held-out training speakers", "temperature": trained.temperature},
        "feature_statistics": {
            "mean": [round(float(v), 6) for v in x.mean(axis=(0, 1))],
            "std": [round(float(v), 6) for v in x.std(axis=(0, 1))],
        },
        "feature_fingerprint": network.spec.fingerprint,
        "intended_use": INTENDED_USE.format(heard=RAVDESS_HEARD if all(known) else "recordings like those of its data"),
        "figures_mean": FIGURES_MEAN,
        "not_for": list(NOT_FOR),
        "software": {"python": platform.python_version(), **{name: version(name) for name in SOFTWARE}},
        "revision": revision(),
    }


def fold_speakers(examples: Examples, count: int = 5) -> list[list[str]]:
    """The test speakers of each fold that the figures on unheard speakers come from."""
    return [sorted({examples.clips[i].speaker for i in fold.test}) for fold in speaker_folds(examples.clips, count)]


def revision() -> str:
    """The git revision of this code; `unknown` in an image without git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
