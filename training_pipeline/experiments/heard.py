"""What a finished version answers to data sets that it was not trained on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training_pipeline.cache import bounded, caches_below
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.readers import read_all
from training_pipeline.data.several import name_of
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import Heard, add_across, measure_across
from training_pipeline.progress import Bar, no_bar
from training_pipeline.reports.kept import ACROSS
from training_pipeline.savedmodel.continued import digest_of
from training_pipeline.savedmodel.heard_before import heard_before, listed
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.features import extract_all

DIGITS = 8
"""Of a version's digest, in the name of the folder of its answers."""
_log = logging.getLogger(__name__)


def hear(
    version: Path, sources: Sequence[Path], output: Path, cache: Path, cache_max_bytes: int, bar: Bar = no_bar
) -> list[dict[str, Any]]:
    """Answer every clip of the data sets by the SavedModel `version`; returns the figures of each corpus.

    The answers are added to `output/MODEL@DIGEST/across.csv`, where no other version's are. A corpus of which the
    version heard other speakers counts as that, every other one as never heard. Speakers who may be some that it was
    trained on are logged. Raises DataError for data that cannot be read, and for clips that the version, or what it
    was started from, was trained on.
    """
    model = ServableModel(version)
    description = model.description
    data = read_all(sources)
    names = [corpus.name for corpus in data.corpora] or [name_of(sources[0])]
    own = {name: data.part(i for i, clip in enumerate(data.clips) if clip.corpus in (name, "")) for name in names}
    # All of them before any is answered, which takes long.
    never = {name: _is_left_out(version, description.card, part, name) for name, part in own.items()}
    parts = []
    with bounded(caches_below(cache), cache_max_bytes):
        for name, part in own.items():
            with bar(f"answers to {name}", len(part.clips)) as step:
                features = extract_all(part.clips, description.spec, cache / "features", step)
            clips = [replace(clip, corpus=name) for clip in part.clips]
            parts.append(Heard(name, never[name], 0, clips, description.emotions, model.predict(features)))
    folder = f"{description.card.get('model', 'unknown')}@{digest_of(version)[:DIGITS]}"
    add_across(output / folder / ACROSS, parts)
    return measure_across(parts)


def _is_left_out(version: Path, card: dict[str, Any], data: DataSet, name: str) -> bool:
    """Whether the version heard nobody of this corpus. Raises DataError if it was trained on speakers of the data."""
    heard = heard_before(card, data, name)
    if heard.is_certain:
        rest = "their clips" if heard.speakers and not heard.before else "it"
        raise DataError(
            f"{version} was trained on {name} ({heard.told()}), so it cannot be measured there: leave {rest} out"
        )
    if not card.get("data", {}).get("speakers"):
        _log.warning("the card of %s does not say what it was trained on: it may have heard %s", version, name)
    if heard.alike:
        _log.warning(
            "%s was trained on speakers who are called as these of %s: %s. If they are the same, the figures are too "
            "good, and `never heard` is not true", version, name, listed(heard.alike),
        )  # fmt: skip
    if heard.sources or heard.corpora:
        _log.warning(
            "%s was trained on %s, on none of these speakers by their names. If they were renamed, the figures are too "
            "good", version, "; ".join(heard.sources) or name,
        )  # fmt: skip
    return not heard.sources and not heard.corpora
