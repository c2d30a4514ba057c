"""What a version answers to recordings without a known emotion, such as noises, music or other people's speech."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np

from speech_emotion.audio import Limits, load
from speech_emotion.errors import AudioError, FileTooLargeError, LimitError
from speech_emotion.input_files import find_files
from training_pipeline.errors import DataError
from training_pipeline.robustness.conditions import Samples, wav
from training_pipeline.robustness.measure import TAKE_S, Figures, answers, figures, heard_features
from training_pipeline.savedmodel.servable import ServableModel

SHORTEST_S = 1.0
_log = logging.getLogger(__name__)
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

    Files under a second and over ten minutes are left out; how many of those that were looked at, and why, is logged.

    Raises DataError if there is none.
    """
    left_out: Counter[str] = Counter()
    paths = sorted(path for path in find_files(folder) if path.is_file())
    clips: list[Samples] = []
    for index in np.random.default_rng(0).permutation(len(paths)):
        try:
            samples = load(paths[index], rate, LIMITS)
        except (LimitError, FileTooLargeError):
            left_out[f"longer than {LIMITS.max_duration_s / 60:g} minutes, or too large"] += 1
            continue
        except (AudioError, OSError):
            left_out["no recordings that can be read"] += 1
            continue
        if len(samples) < SHORTEST_S * rate:
            left_out[f"under {SHORTEST_S:g} s"] += 1
        else:
            start = max(0, len(samples) - round(TAKE_S * rate)) // 2
            clips.append(samples[start : start + round(TAKE_S * rate)])
        if len(clips) >= most:
            break
    if left_out:
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        _log.warning("%s: %d files are left out: %s", folder, left_out.total(), why)
    if not clips:
        raise DataError(f"{folder}: no recording of a second or more that can be read")
    return clips
