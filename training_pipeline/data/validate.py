"""Is a data set fit to train on? Every file is read once; what is wrong is said with the files' names."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from speech_emotion.audio import Limits, decode, prepare
from speech_emotion.errors import AudioError
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.folds import HELD_OUT
from training_pipeline.errors import DataError
from training_pipeline.progress import Bar, Progress, no_bar, no_progress

RATE = 16_000
SILENT_PEAK = 1e-3
"""Full scale is 1; the quietest clip of RAVDESS peaks at 0.006."""
CLIPPED_AT, CLIPPED_SHARE = 0.999, 0.01
MIN_SPEAKERS, MIN_EMOTIONS = 3, 2
NAMED = 10
_log = logging.getLogger(__name__)


@dataclass
class Findings:
    """What was found. Errors stop a run, warnings do not; `digest` stands for every clip's content and row."""

    clips: int
    digest: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    per_emotion: dict[str, int] = field(default_factory=dict)
    per_speaker: dict[str, int] = field(default_factory=dict)

    def require(self) -> None:
        """Raise DataError, naming the files, if there is any error."""
        if self.errors:
            raise DataError("; ".join(f"{what}: {_named(files)}" for what, files in self.errors.items()))

    def log_warnings(self) -> None:
        """Log each, with the first of its files."""
        for what, files in self.warnings.items():
            _log.warning("%s: %s", what, _named(files))

    def to_markdown(self) -> str:
        """As a page."""
        lines = [f"# Data set: {self.clips} clips\n", f"Digest `{self.digest}`.\n"]
        for title, found in (("Errors", self.errors), ("Warnings", self.warnings)):
            lines.append(f"## {title}\n")
            lines += [f"- {what}: {', '.join(f'`{name}`' for name in files)}" for what, files in found.items()] or [
                "None."
            ]
            lines.append("")
        for title, counts in (("emotion", self.per_emotion), ("speaker", self.per_speaker)):
            lines += [f"| {title} | clips |", "|---|---|", *(f"| {k} | {v} |" for k, v in counts.items()), ""]
        return "\n".join(lines)


def validate(data: DataSet, progress: Progress = no_progress) -> Findings:
    """Read every clip and check it, then the set."""
    clips = data.clips
    errors, warnings = _of_recordings(clips, progress)
    for what, names in _set_errors(data):
        errors[what] = [*errors.get(what, []), *names]
    return Findings(
        len(clips),
        data.digest,
        errors,
        warnings,
        per_emotion={emotion: sum(clip.emotion == emotion for clip in clips) for emotion in data.emotions},
        per_speaker=dict(sorted(Counter(clip.speaker for clip in clips).items())),
    )


def require_sound(data: DataSet, bar: Bar = no_bar) -> None:
    """Read every clip, and log what is doubtful. Raises DataError, naming the files, for what `validate` refuses.

    It asks nothing of the set as a whole, which may be too small for held-out speakers.
    """
    with bar("validate", len(data.clips)) as step:
        errors, warnings = _of_recordings(data.clips, step)
    found = Findings(len(data.clips), errors=errors, warnings=warnings)
    found.log_warnings()
    found.require()


def _of_recordings(clips: Sequence[Clip], progress: Progress) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Errors and warnings about what the files hold."""
    errors, warnings = defaultdict(list), defaultdict(list)
    sounds: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        try:
            decoded, info = decode(clip.read(), Limits())
        except AudioError as error:
            errors["unreadable"].append(f"{clip.path} ({error})")
        else:
            samples = prepare(decoded, info.sample_rate, RATE)
            if info.damaged:
                warnings["damaged: a part cannot be decoded"].append(str(clip.path))
            if np.abs(samples).max(initial=0) < SILENT_PEAK:
                errors["silent"].append(str(clip.path))
            else:
                sounds[hashlib.sha256(samples.tobytes()).hexdigest()].append(clip)
            if (np.abs(samples) >= CLIPPED_AT).mean() > CLIPPED_SHARE:
                warnings["clipped"].append(str(clip.path))
        progress()
    for group in sounds.values():
        if len(group) > 1:
            # One speaker's same sentence twice with one emotion is a flaw; anything else contradicts itself or leaks.
            same = len({(clip.emotion, clip.speaker, clip.split == HELD_OUT) for clip in group}) == 1
            found_in = (
                warnings["duplicate audio"] if same else errors["duplicate audio of another emotion, speaker or split"]
            )
            found_in.append(" = ".join(str(clip.path) for clip in group))
    return dict(errors), dict(warnings)


def _set_errors(data: DataSet) -> Iterator[tuple[str, list[str]]]:
    splits = defaultdict(set)
    for clip in data.clips:
        splits[clip.speaker].add(clip.split == HELD_OUT)  # an empty split means `train`
    leaked = sorted(speaker for speaker, found in splits.items() if len(found) > 1)
    if leaked:
        yield "speakers in more than one split", leaked
    if len(splits) < MIN_SPEAKERS:
        yield f"fewer than {MIN_SPEAKERS} speakers", sorted(splits)
        return
    if len(data.emotions) < MIN_EMOTIONS:
        yield f"fewer than {MIN_EMOTIONS} emotions", list(data.emotions)
        return
    try:
        fold = data.split
    except DataError as error:
        yield str(error), []
        return
    trained = sorted({data.clips[i].speaker for i in fold.train})
    if len(trained) < 2:
        yield "fewer than 2 speakers to train on, one of them for the calibration", trained
    for part, indices in (("train on", fold.train), ("test on", fold.test)):
        missing = sorted(set(data.emotions) - {data.clips[i].emotion for i in indices})
        if missing:
            yield f"no clip to {part} of the emotion", missing


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(files[:NAMED]) + more
