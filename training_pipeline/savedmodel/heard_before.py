"""What of a data set a version has heard in training, as far as its card tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.facts import UNNAMED, sources_of
from training_pipeline.data.table import same_meaning

BETWEEN_SOURCES = "; "
"""How a card puts the sources of several corpora together."""
SHOWN = 10
"""Speakers that a message names; the others are counted."""


@dataclass(frozen=True)
class HeardBefore:
    """What the card of a version and a data set have in common; nothing of it: the version never heard the data.

    `speakers` were trained on. `alike` may have been: the card names a speaker like them, but it does not say of which
    corpus, or a corpus was renamed. `corpora` and `sources` are those of its training data, of which it may have heard
    other speakers alone; `before` are sources of what it was started from, whose speakers are not known.
    """

    speakers: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    corpora: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether it was trained on some of these clips, as far as speakers and sources can tell."""
        return bool(self.speakers or self.before)

    def told(self) -> str:
        """What was heard for certain, and the sources that are cited by both, as part of a sentence."""
        who = f"the speakers {listed(self.speakers)}" if self.speakers else ""
        return BETWEEN_SOURCES.join(filter(None, [*dict.fromkeys([*self.before, *self.sources]), who]))


def heard_before(card: Mapping[str, Any], data: DataSet, name: str = "") -> HeardBefore:
    """Compare a version's card with a data set, which is called `name` if it names no corpus.

    A speaker of several corpora is CORPUS/SPEAKER on a card and in a data set, one of a data set alone is SPEAKER. In a
    corpus that both name, only the same name is the same speaker.
    """
    said = card.get("data", {})
    clips = [(clip, same_meaning(clip.corpus or name)) for clip in data.clips]
    there = data.of_corpora({clip.corpus for clip in data.clips}) if data.corpora else data
    cited = sources_of(there)
    sources = _cited(cited, [said.get("source", "")])
    called = str(said.get("name", UNNAMED))
    alone = "" if called == UNNAMED else called
    known = {pair for speaker in said.get("speakers", ()) for pair in _readings(str(speaker), alone)}
    corpora = {corpus for corpus, _ in known if corpus}
    shared = corpora & {same_meaning(own) for own in (*(corpus.name for corpus in data.corpora), name)}
    # Whoever a corpus of both data sets has is no speaker of another corpus.
    anywhere = {own for corpus, own in known if corpus not in shared}
    same = {clip.speaker for clip, corpus in clips if corpus and (corpus, _own(clip)) in known}
    alike = {
        clip.speaker
        for clip, corpus in clips
        if corpus not in corpora and {own for _, own in _readings(_own(clip), "")} & anywhere
    }
    if sources:
        same, alike = same | alike, set()  # that they are of the same source is said twice
    return HeardBefore(
        tuple(sorted(same)),
        tuple(sorted(alike)),
        tuple(sorted({clip.corpus or name for clip, corpus in clips if corpus in corpora})),
        sources,
        _cited(cited, card.get("pretrained", {}).values()),
    )


def listed(speakers: Sequence[str]) -> str:
    """The first ten, and how many more there are."""
    more = f" and {len(speakers) - SHOWN} more" if len(speakers) > SHOWN else ""
    return f"{', '.join(speakers[:SHOWN])}{more}"


def _own(clip: Clip) -> str:
    return same_meaning(clip.speaker.removeprefix(f"{clip.corpus}/"))


def _readings(speaker: str, corpus: str) -> Iterator[tuple[str, str]]:
    """The corpus and the own name that a speaker's name may mean: a name of one corpus may have a slash, too."""
    parts = same_meaning(speaker).split("/")
    yield same_meaning(corpus), "/".join(parts)
    for n in range(1, len(parts)):
        yield "/".join(parts[:n]), "/".join(parts[n:])


def _cited(sources: Iterable[str], by: Iterable[Any]) -> tuple[str, ...]:
    """Those of the sources that stand in a list; one as short as `me` is part of many others."""
    lists = [f"{BETWEEN_SOURCES}{each}{BETWEEN_SOURCES}" for each in by]
    return tuple(
        source for source in sources if any(f"{BETWEEN_SOURCES}{source}{BETWEEN_SOURCES}" in each for each in lists)
    )
