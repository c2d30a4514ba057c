"""`ser sounds`: what a version answers to recordings without labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ser.models import NAME
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import STABLE
from training_pipeline.errors import DataError
from training_pipeline.reports import markdown
from training_pipeline.robustness.measure import MIN_CONFIDENCE
from training_pipeline.robustness.recordings import measure_recordings
from training_pipeline.savedmodel.servable import ServableModel


def run(folders: Sequence[Path], version: Path | None, most: int, *, as_json: bool) -> str:
    """A row for each folder, as a table or JSON; of the SavedModel `version`, none: the stable one that ships.

    Raises DataError for a folder without recordings.
    """
    servable = ServableModel(version or _stable(Path("models"), NAME))
    measured = {str(folder): measure_recordings(servable, folder, most) for folder in folders}
    return json.dumps(measured) if as_json else markdown.sounds_table("recordings", measured, MIN_CONFIDENCE)


def _stable(store: Path, name: str) -> Path:
    version = FolderStore(store).read_config().labels(name).get(STABLE)
    if version is None:
        raise DataError(f"{store} has no {STABLE} version of {name}: name a SavedModel by --version")
    return store / name / str(version)
