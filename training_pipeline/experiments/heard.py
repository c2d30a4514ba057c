"""What a finished version answers to data sets that it was not trained on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training_pipeline.cache import bounded, caches_below
from training_pipeline.data.readers import read_all
from training_pipeline.data.several import name_of
from training_pipeline.evaluation.across import Heard, add_across, measure_across
from training_pipeline.progress import Bar, no_bar
from training_pipeline.reports.kept import ACROSS
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.features import extract_all

_log = logging.getLogger(__name__)


def hear(
    version: Path, sources: Sequence[Path], output: Path, cache: Path, cache_max_bytes: int, bar: Bar = no_bar
) -> list[dict[str, Any]]:
    """Answer every clip of the data sets by the SavedModel `version`; returns the figures of each corpus.

    The answers are added to `output/MODEL/across.csv` as those of a model that never heard the corpora. A speaker whom
    the version's card names is logged, as the answers may then be to a voice that it was trained on. Raises DataError
    for data that cannot be read.
    """
    model = ServableModel(version)
    description = model.description
    data = read_all(sources)
    heard = set(map(str, description.card.get("data", {}).get("speakers", ())))
    names = [corpus.name for corpus in data.corpora] or [name_of(sources[0])]
    parts = []
    with bounded(caches_below(cache), cache_max_bytes):
        for name in names:
            clips = [clip for clip in data.clips if clip.corpus in (name, "")]
            known = sorted({clip.speaker for clip in clips if clip.speaker in heard})
            if known:
                _log.warning("%s names speakers as %s does: %s", version, name, ", ".join(known))
            with bar(f"answers to {name}", len(clips)) as step:
                features = extract_all(clips, description.spec, cache / "features", step)
            own = [replace(clip, corpus=name) for clip in clips]
            parts.append(Heard(name, True, 0, own, description.emotions, model.predict(features)))
    add_across(output / str(description.card.get("model", "unknown")) / ACROSS, parts)
    return measure_across(parts)
