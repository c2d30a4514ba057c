"""A version as the model store takes it: the SavedModel with its golden set, and its card as JSON and as a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_pipeline.savedmodel.card_page import card_page
from training_pipeline.savedmodel.export import export
from training_pipeline.training.job import Job
from training_pipeline.training.train import Trained

CARD_JSON, CARD_PAGE = "assets.extra/model_card.json", "assets.extra/model_card.md"


def write_version(folder: Path, job: Job, trained: Trained, card: dict[str, Any]) -> None:
    """Write everything that a version consists of into `folder`, which must not exist (FileExistsError)."""
    export(trained, job.network.spec, job.data.emotions, card, folder)
    (folder / CARD_JSON).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    (folder / CARD_PAGE).write_text(card_page(card))
