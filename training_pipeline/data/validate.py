"""Is a data set fit to train on? Every file is read once; what is wrong is said with the files' names."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from speech_emotion.audio import load
from speech_emotion.errors import AudioError
from training_pipeline.data.manifest import Clip
from training_pipeline.data.split import held_out
from training_pipeline.errors import DataError

RATE = 16_000
SILENT_PEAK = 1e-3
"""Full scale is 1; the quietest clip of RAVDESS peaks at 0.006."""
CLIPPED_AT, CLIPPED_SHARE = 0.999, 0.01
MIN_SPEAKERS, MIN_LABELS = 3, 2
NAMED = 10


@dataclass
class Findings:
    """What was found. Errors stop a run, warnings do not; `digest` stands for every clip's content and row."""

    clips: int
    digest: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    per_label: dict[str, int] = field(default_factory=dict)
    per_speaker: dict[str, int] = field(default_factory=dict)

    def require(self) -> None:
        """Raise DataError, naming the files, if there is any error."""
        if self.errors:
            raise DataError("; ".join(f"{what}: {_named(files)}" for what, files in self.errors.items()))

    def to_markdown(self) -> str:
        """As a page."""
        lines = [f"# Data set: {self.clips} clips\n", f"Digest `{self.digest}`.\n"]
        for title, found in (("Errors", self.errors), ("Warnings", self.warnings)):
            lines.append(f"## {title}\n")
            lines += [f"- {what}: {', '.join(f'`{name}`' for name in files)}" for what, files in found.items()] or [
                "None."
            ]
            lines.append("")
        for title, counts in (("label", self.per_label), ("speaker", self.per_speaker)):
            lines += [f"| {title} | clips |", "|---|---|", *(f"| {k} | {v} |" for k, v in counts.items()), ""]
        return "\n".join(lines)


def digest_of(clips: Sequence[Clip]) -> str:
    """SHA-256 over the rows and the bytes of all clips, wherever the files lie."""
    lines = [
        f"{hashlib.sha256(clip.path.read_bytes()).hexdigest()} {clip.label} {clip.speaker} {clip.sex} {clip.split}"
        for clip in clips
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def validate(clips: Sequence[Clip], labels: Sequence[str], progress: Callable[[], None] = lambda: None) -> Findings:
    """Read every clip and check it, then the set. `labels` are those that a model of this set has."""
    found = Findings(
        len(clips),
        digest_of(clips),
        per_label={label: sum(clip.label == label for clip in clips) for label in labels},
        per_speaker=dict(sorted(Counter(clip.speaker for clip in clips).items())),
    )
    errors, warnings = defaultdict(list), defaultdict(list)
    sounds: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        try:
            samples = load(clip.path, RATE)
        except AudioError as error:
            errors["unreadable"].append(f"{clip.path} ({error})")
        else:
            if np.abs(samples).max(initial=0) < SILENT_PEAK:
                errors["silent"].append(str(clip.path))
            else:
                sounds[hashlib.sha256(samples.tobytes()).hexdigest()].append(clip)
            if (np.abs(samples) >= CLIPPED_AT).mean() > CLIPPED_SHARE:
                warnings["clipped"].append(str(clip.path))
        progress()
    for group in sounds.values():
        if len(group) > 1:
            # One speaker's same sentence twice under one label is a flaw; anything else contradicts itself or leaks.
            same = len({(clip.label, clip.speaker, clip.split) for clip in group}) == 1
            kind = warnings["duplicate audio"] if same else errors["duplicate audio of other label, speaker or split"]
            kind.append(" = ".join(str(clip.path) for clip in group))
    for what, names in _set_errors(clips, labels):
        errors[what] += names
    found.errors, found.warnings = dict(errors), dict(warnings)
    return found


def _set_errors(clips: Sequence[Clip], labels: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    splits = defaultdict(set)
    for clip in clips:
        splits[clip.speaker].add(clip.split)
    leaked = sorted(speaker for speaker, found in splits.items() if len(found) > 1)
    if leaked:
        yield "speakers in more than one split", leaked
    if len(splits) < MIN_SPEAKERS:
        yield f"fewer than {MIN_SPEAKERS} speakers", sorted(splits)
        return
    if len(labels) < MIN_LABELS:
        yield f"fewer than {MIN_LABELS} labels", list(labels)
        return
    try:
        fold = held_out(clips)
    except DataError as error:
        yield str(error), []
        return
    for part, indices in (("train on", fold.train), ("test on", fold.test)):
        missing = sorted(set(labels) - {clips[i].label for i in indices})
        if missing:
            yield f"no clip to {part} of the emotion", missing


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(files[:NAMED]) + more
