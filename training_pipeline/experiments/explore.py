"""Pictures of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech_emotion.audio import probe
from speech_emotion.errors import AudioError
from training_pipeline.data.clips import Clip
from training_pipeline.data.readers import read_data
from training_pipeline.errors import DataError
from training_pipeline.reports import pictures
from training_pipeline.reports.file_names import file_names


def explore(source: Path, output: Path) -> Iterator[Path]:
    """Write pictures to `output`, yielding each path; the first clip of an emotion stands for it. Raises DataError."""
    data = read_data(source)
    output.mkdir(parents=True, exist_ok=True)
    pictures.class_balance(data, path := output / "class-balance.png")
    yield path
    seconds = [_seconds(clip) for clip in data.clips]
    pictures.durations(seconds, path := output / "durations.png")
    yield path
    names = file_names("clip", data.emotions)
    for emotion in data.emotions:
        clip = next((clip for clip in data.clips if clip.emotion == emotion), None)
        if clip is not None:
            with _naming(clip):
                pictures.clip_views(clip, path := output / names[emotion])
            yield path


def _seconds(clip: Clip) -> float:
    with _naming(clip):
        return probe(clip.read()).duration_s


@contextmanager
def _naming(clip: Clip) -> Iterator[None]:
    """Errors about a recording name its file, as DataError."""
    try:
        yield
    except AudioError as error:
        raise DataError(f"{clip.path}: {error}") from error
