"""What a version answers to recordings without a known emotion, folder by folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training_pipeline.reports import markdown
from training_pipeline.robustness.measure import Figures
from training_pipeline.robustness.recordings import measure_recordings
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.calibrate import MIN_CONFIDENCE


def measure_sounds(folders: Sequence[Path], version: Path, most: int) -> dict[str, Figures]:
    """Figures of the SavedModel `version` for each folder. Raises DataError for a folder without recordings."""
    servable = ServableModel(version)
    return {str(folder): measure_recordings(servable, folder, most) for folder in folders}


def sounds_table(measured: dict[str, Figures]) -> str:
    """A row for each folder, as Markdown."""
    return markdown.sounds_table("recordings", measured, MIN_CONFIDENCE)
