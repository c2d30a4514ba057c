"""`ser sounds`: what a version answers to recordings without labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from training_pipeline.reports import markdown
from training_pipeline.robustness.measure import MIN_CONFIDENCE
from training_pipeline.robustness.recordings import measure_recordings
from training_pipeline.savedmodel import ServableModel


def run(folders: Sequence[Path], version: Path, most: int, *, as_json: bool) -> str:
    """A row for each folder, as a table or JSON. Raises DataError for a folder without recordings."""
    servable = ServableModel(version)
    measured = {str(folder): measure_recordings(servable, folder, most) for folder in folders}
    return json.dumps(measured) if as_json else markdown.sounds_table("recordings", measured, MIN_CONFIDENCE)
