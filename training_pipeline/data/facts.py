"""What a model's card says of the data that the model was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training_pipeline.data import crema_d, nemo, ravdess
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


@dataclass(frozen=True)
class _Published:
    """A published set, whose recordings are known by their names."""

    name: str
    licence: str
    citation: str
    is_clip: Callable[[Path], bool]


_PUBLISHED = (
    _Published(ravdess.NAME, ravdess.LICENCE, ravdess.CITATION, ravdess.is_clip),
    _Published(crema_d.NAME, crema_d.LICENCE, crema_d.CITATION, crema_d.is_clip),
    _Published(nemo.NAME, nemo.LICENCE, nemo.CITATION, nemo.is_clip),
)


def facts_of(clips: Sequence[Clip], name: str = UNNAMED, licence: str = UNKNOWN) -> Facts:
    """Facts of `clips`. What is `unnamed` or `unknown` of published sets, known by their files' names, is filled in."""
    found = _published(clips)
    if not found:
        return Facts(name, licence)
    licences = found[0].licence if len(found) == 1 else "; ".join(f"{each.name}: {each.licence}" for each in found)
    own = " + ".join(each.name for each in found)
    ravdess_alone = all(ravdess.is_clip(clip.path) for clip in clips)
    return Facts(
        own if name == UNNAMED else name,
        licences if licence == UNKNOWN else licence,
        "; ".join(each.citation for each in found),
        RAVDESS_HEARD if ravdess_alone else Facts.heard,
    )


def facts_of_set(data: DataSet, name: str = UNNAMED, licence: str = UNKNOWN) -> Facts:
    """Facts of a data set; what is `unnamed` or `unknown` of named corpora is put together of what each one says."""
    if not data.corpora:
        return facts_of(data.clips, name, licence)
    names = " + ".join(corpus.name for corpus in data.corpora)
    found = {corpus.name: facts_of(data.of_corpora([corpus.name]).clips) for corpus in data.corpora}
    licences = "; ".join(f"{c.name}: {c.licence or found[c.name].licence}" for c in data.corpora)
    sources = "; ".join(filter(None, (c.source or found[c.name].source for c in data.corpora)))
    return Facts(names if name == UNNAMED else name, licences if licence == UNKNOWN else licence, sources)


def sources_of(data: DataSet) -> list[str]:
    """How to cite what is in a data set: what its corpora say, and the published sets that its files are named as."""
    said = [corpus.source for corpus in data.corpora if corpus.source]
    return list(dict.fromkeys([*said, *(each.citation for each in _published(data.clips))]))


def _published(clips: Sequence[Clip]) -> list[_Published]:
    return [each for each in _PUBLISHED if any(each.is_clip(clip.path) for clip in clips)]
