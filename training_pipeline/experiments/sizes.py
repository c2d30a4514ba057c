"""What a small data set brings: models trained on N clips, tested on other speakers or on the same speaker."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.features import FeatureSpec
from training_pipeline.cache import bounded, caches_below
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.folds import Indices, require_emotions, require_speakers, speaker_folds
from training_pipeline.data.readers import read_to_train
from training_pipeline.data.several import name_of
from training_pipeline.data.validate import require_sound
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import Heard, measure_corpus
from training_pipeline.jobs import resolve, start_version
from training_pipeline.progress import Bar, Progress, no_bar
from training_pipeline.reports.cells import with_interval
from training_pipeline.savedmodel.continued import described, named
from training_pipeline.savedmodel.heard_before import heard_before, listed
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.examples import Examples
from training_pipeline.training.features import examples_of, extract_all
from training_pipeline.training.job import Job
from training_pipeline.training.train import train

_log = logging.getLogger(__name__)
FOLDS = 3
"""Folds of speakers. Each model is fitted once in each, for each size."""
LEAST_SPEAKERS = 6
"""A set is drawn from as few speakers as can fill it, because a team has few, but from at least this number."""
DRAWS = 3
"""Sets of each size that are drawn from one speaker's clips."""
AS_IT_IS = "as it is"
"""Name of the row for the version that was trained on none of these clips."""
TIMED = 50
"""Number of clips whose features are computed again, to measure what they cost."""


@dataclass(frozen=True)
class Sizes:
    """What to measure: `models` trained on each of `sizes` clips of the data set `data`.

    With `personal` the clips of a set are of one speaker, on whose other clips the model is tested; else it is tested
    on speakers that it never heard. At most `test_clips` of a speaker are tested. `start_from` is the version that a
    head starts from, and that is measured as it is; the one that ships by default.
    """

    data: Path
    sizes: Sequence[int]
    models: Sequence[str]
    cache: Path
    cache_max_bytes: int
    personal: bool = False
    test_clips: int = 100
    seed: int = 0
    start_from: Path | None = None


@dataclass(frozen=True)
class _Part:
    """Indices of clips: for each size those to train on, and those to test on."""

    train: Mapping[int, Indices]
    test: Indices


def measure_sizes(asked: Sizes, bar: Bar = no_bar) -> list[dict[str, Any]]:
    """Figures as JSON: a row for the version as it is (0 clips), and one for each model and size.

    Clips that are marked `test` are left out. The version has no row on a corpus that it was trained on, which is
    logged. `cpu_s` is the CPU time of features and training of the first set. Raises DataError for too few speakers or
    clips, for clips of one emotion, and for a `head` on a corpus that the version was trained on.
    """
    data = read_to_train([asked.data])
    version = start_version(asked.start_from)
    jobs = [resolve(name, data, asked.seed, start_from=version, measured=True) for name in asked.models]
    require_emotions(data.clips)
    require_sound(data, bar)
    parts = list((_personal if asked.personal else _strangers)(data.clips, asked))
    with bounded(caches_below(asked.cache), asked.cache_max_bytes):
        rows = [_as_it_is(version, data, parts, asked, bar)] if _is_unheard(version, data, asked) else []
        for job in jobs:
            examples = _heard(data, job.network.spec, asked, job.network.name, bar)
            cost = _seconds_per_clip(examples, job)
            with bar(f"training {job.network.name}", len(parts) * len(asked.sizes)) as step:
                for size in asked.sizes:
                    # A new network each time, so that its cost does not depend on what was trained before.
                    fresh = resolve(job.network.name, data, asked.seed, start_from=version)
                    rows.append(_trained(fresh, examples, parts, size, cost, step))
    return rows


def _heard(data: DataSet, spec: FeatureSpec, asked: Sizes, name: str, bar: Bar) -> Examples:
    with bar(f"features of {name}", len(data.clips)) as step:
        return examples_of(data, spec, asked.cache / "features", step)


def _is_unheard(version: Path, data: DataSet, asked: Sizes) -> bool:
    """Whether the version can be measured on the data, as far as its card tells; what speaks against it is logged."""
    heard = heard_before(described(version).card, data, name_of(asked.data))
    if told := heard.told():
        _log.warning("%s was trained on this data (%s), so it is not measured `%s`", named(version), told, AS_IT_IS)
    elif heard.alike:
        _log.warning(
            "%s was trained on speakers who are called %s too: if they are the same, `%s` is too good",
            named(version), listed(heard.alike), AS_IT_IS,
        )  # fmt: skip
    return not told


def _as_it_is(version: Path, data: DataSet, parts: Sequence[_Part], asked: Sizes, bar: Bar) -> dict[str, Any]:
    model = ServableModel(version)
    examples = _heard(data, model.description.spec, asked, "the version", bar)
    test = [examples.subset(part.test) for part in parts]
    answers = np.concatenate([model.predict(own.features) for own in test])
    return {"model": AS_IT_IS, "size": 0, **_figures(test, model.description.emotions, answers), "cpu_s": None}


def _trained(
    job: Job, examples: Examples, parts: Sequence[_Part], size: int, cost: float, step: Progress
) -> dict[str, Any]:
    answers, seconds, test = [], 0.0, [examples.subset(part.test) for part in parts]
    for part, own in zip(parts, test, strict=True):
        learnt, begun = _own_emotions(examples.subset(part.train[size])), time.process_time()
        trained = train(job.network, learnt, job.seed)
        seconds = seconds or time.process_time() - begun
        said = np.zeros((len(own.clips), len(examples.emotions)))
        said[:, [examples.emotions.index(emotion) for emotion in learnt.emotions]] = trained.predict(own.features)
        answers.append(said)
        step()
    figures = _figures(test, examples.emotions, np.concatenate(answers))
    return {"model": job.network.name, "size": size, **figures, "cpu_s": seconds + cost * size}


def _own_emotions(examples: Examples) -> Examples:
    """The same with the emotions that occur alone: one speaker may lack some."""
    there = {clip.emotion for clip in examples.clips}
    emotions = tuple(emotion for emotion in examples.emotions if emotion in there)
    return Examples.of(replace(examples.data, emotions=emotions), examples.features)


def _figures(test: Sequence[Examples], emotions: tuple[str, ...], answers: Any) -> dict[str, Any]:
    return measure_corpus(Heard("own", True, 0, [clip for own in test for clip in own.clips], emotions, answers))


def _seconds_per_clip(examples: Examples, job: Job) -> float:
    """CPU time of one clip's features, without what is cached."""
    clips = examples.clips[:: max(1, len(examples.clips) // TIMED)]
    begun = time.process_time()
    extract_all(clips, job.network.spec)
    return (time.process_time() - begun) / len(clips)


def _strangers(clips: Sequence[Clip], asked: Sizes) -> Iterator[_Part]:
    require_speakers(clips, FOLDS, "To train on some speakers and test on others")
    for number, fold in enumerate(speaker_folds(clips, FOLDS)):
        random = np.random.default_rng([asked.seed, number])
        if len(fold.train) < max(asked.sizes):
            raise DataError(
                f"a set of {max(asked.sizes)} clips cannot be drawn: the speakers to train on have {len(fold.train)}"
            )
        by_speaker = list(_by_speaker(clips, fold.train))
        shuffled = [by_speaker[i] for i in random.permutation(len(by_speaker))]
        train = {size: _balanced(clips, _of_few(shuffled, size), random)[:size] for size in asked.sizes}
        test = [_balanced(clips, own, random)[: asked.test_clips] for own in _by_speaker(clips, fold.test)]
        yield _Part(train, np.concatenate(test))


def _personal(clips: Sequence[Clip], asked: Sizes) -> Iterator[_Part]:
    """The test clips are the same for each size: those that no set is drawn from.

    A speaker with one emotion is left out: every answer would be right.
    """
    most = max(asked.sizes)
    found = [own for own in _by_speaker(clips, np.arange(len(clips))) if len(own) > most]
    if not found:
        raise DataError(f"no speaker has more than {most} clips, to train on so many and test on others")
    found = [own for own in found if len({clips[i].emotion for i in own}) > 1]
    if not found:
        raise DataError(f"no speaker with more than {most} clips has two emotions, to tell apart")
    for number, own in enumerate(found):
        for draw in range(DRAWS):
            ordered = _balanced(clips, own, np.random.default_rng([asked.seed, number, draw]))
            train = {size: ordered[:size] for size in asked.sizes}
            yield _Part(train, ordered[most : most + asked.test_clips])


def _by_speaker(clips: Sequence[Clip], among: Indices) -> Iterator[Indices]:
    for speaker in sorted({clips[i].speaker for i in among}):
        yield np.array([i for i in among if clips[i].speaker == speaker], np.intp)


def _of_few(by_speaker: Sequence[Indices], size: int) -> Indices:
    counts = np.cumsum([len(own) for own in by_speaker])
    speakers = max(LEAST_SPEAKERS, int(np.searchsorted(counts, size)) + 1)
    return np.concatenate(by_speaker[:speakers])


def _balanced(clips: Sequence[Clip], among: Indices, random: np.random.Generator) -> Indices:
    """In a random order, of which the first N have about equally many clips of each emotion, for every N."""
    shuffled, seen, rank = random.permutation(among), Counter[str](), []
    for i in shuffled:
        rank.append(seen[clips[i].emotion])
        seen[clips[i].emotion] += 1
    return np.asarray(shuffled[np.argsort(rank, kind="stable")], np.intp)


def sizes_table(rows: Sequence[dict[str, Any]]) -> str:
    """As Markdown. `sure right` is the share of right answers among those of 50% and above."""
    columns = ("model", "clips", "UAR (95% over speakers)", "accuracy", "ECE", "sure", "sure right", "CPU, s")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        shares = [_share(row.get(name)) for name in ("accuracy", "ece_debiased", "sure", "sure_right")]
        cost = "none" if row["cpu_s"] is None else f"{row['cpu_s']:.0f}"
        cells = [f"`{row['model']}`", str(row["size"]), _interval(row), *shares, cost]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _interval(row: Mapping[str, Any]) -> str:
    if row.get("uar") is None:
        return "none"
    return with_interval(row, "uar")
