"""What a model's card says of the data that the model was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training_pipeline.data import ravdess
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet

UNNAMED, UNKNOWN = "unnamed", "unknown"
RAVDESS_HEARD = "acted North American English: two sentences, one studio, 24 actors at most"


@dataclass(frozen=True)
class Facts:
    """Name, licence and source of a data set, and the speech that it holds, as part of a sentence."""

    name: str = UNNAMED
    licence: str = UNKNOWN
    source: str = ""
    heard: str = "recordings like those of its data"


def facts_of(clips: Sequence[Clip], name: str = UNNAMED, licence: str = UNKNOWN) -> Facts:
    """Facts of `clips`. RAVDESS is known by its files' names: what is `unnamed` or `unknown` of it is filled in."""
    known = [ravdess.clip_of(clip.path) is not None for clip in clips]
    if not any(known):
        return Facts(name, licence)
    name, licence = (
        own if given == default else given
        for given, default, own in ((name, UNNAMED, ravdess.NAME), (licence, UNKNOWN, ravdess.LICENCE))
    )
    return Facts(name, licence, ravdess.CITATION, RAVDESS_HEARD if all(known) else Facts.heard)


def facts_of_set(data: DataSet, name: str = UNNAMED, licence: str = UNKNOWN) -> Facts:
    """Facts of a data set; what is `unnamed` or `unknown` of named corpora is put together of what each one says."""
    if not data.corpora:
        return facts_of(data.clips, name, licence)
    names = " + ".join(corpus.name for corpus in data.corpora)
    licences = "; ".join(f"{corpus.name}: {corpus.licence or UNKNOWN}" for corpus in data.corpora)
    sources = "; ".join(corpus.source for corpus in data.corpora if corpus.source)
    return Facts(names if name == UNNAMED else name, licences if licence == UNKNOWN else licence, sources)
