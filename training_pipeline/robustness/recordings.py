"""What a version answers to recordings without a known emotion, such as noises, music or other people's speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from speech_emotion.audio import Limits, load
from speech_emotion.errors import AudioError, FileTooLargeError
from speech_emotion.input_files import find_files
from training_pipeline.errors import DataError
from training_pipeline.robustness.conditions import Samples, wav
from training_pipeline.robustness.measure import TAKE_S, Figures, answers, figures, heard_features
from training_pipeline.savedmodel.servable import ServableModel

SHORTEST_S = 1.0
LIMITS = Limits(max_duration_s=600, max_decoded_samples=120_000_000)
"""Whole pieces of music are cut here, which would be refused as clips; longer ones are left out."""


def measure_recordings(version: ServableModel, folder: Path, most: int) -> Figures:
    """Answers to one clip of each file in `folder`, at most `most` of them, drawn by chance but always the same.

    Raises DataError if there is no file to be heard.
    """
    spec = version.description.spec
    clips = take_clips(folder, spec.sample_rate, most)
    return figures(answers(version, [heard_features(wav(clip, spec.sample_rate), spec) for clip in clips]))


def take_clips(folder: Path, rate: int, most: int) -> list[Samples]:
    """At most `TAKE_S` seconds from the middle of each file that can be read, mono float32 at `rate` Hz.

    Files under a second and over ten minutes are left out.

    Raises DataError if there is none.
    """
    paths = sorted(path for path in find_files(folder) if path.is_file())
    clips: list[Samples] = []
    for index in np.random.default_rng(0).permutation(len(paths)):
        try:
            samples = load(paths[index], rate, LIMITS)
        except (AudioError, FileTooLargeError, OSError):
            continue
        if len(samples) >= SHORTEST_S * rate:
            start = max(0, len(samples) - round(TAKE_S * rate)) // 2
            clips.append(samples[start : start + round(TAKE_S * rate)])
        if len(clips) >= most:
            break
    if not clips:
        raise DataError(f"{folder}: no recording of a second or more that can be read")
    return clips
