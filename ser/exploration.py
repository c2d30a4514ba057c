"""`ser eda`: pictures of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from speech_emotion.audio import probe
from training_pipeline.data.source import read_data
from training_pipeline.reports import pictures


def run(data: Path, output: Path) -> Iterator[Path]:
    """Write pictures to `output`, yielding each path; the first clip of a label stands for it."""
    clips, labels = read_data(data)
    output.mkdir(parents=True, exist_ok=True)
    pictures.class_balance(clips, labels, path := output / "class-balance.png")
    yield path
    seconds = [probe(clip.path.read_bytes()).duration_s for clip in clips]
    pictures.durations(seconds, path := output / "durations.png")
    yield path
    for label in labels:
        clip = next((clip for clip in clips if clip.label == label), None)
        if clip is not None:
            pictures.clip_views(clip, path := output / f"clip-{label}.png")
            yield path
