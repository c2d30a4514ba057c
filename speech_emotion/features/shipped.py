"""The specifications of the networks that come with the project."""

from __future__ import annotations

from speech_emotion.features.blocks import Chroma, Mel, Mfcc, WhisperLogMel
from speech_emotion.features.spec import FeatureSpec

SEED_SPEC = FeatureSpec(blocks=(Mfcc(), Chroma(), Mel()))
"""40 MFCC, 12 chroma and 128 mel values, each a mean over the clip (up to 6 s): 180 numbers."""

WHISPER_SPEC = FeatureSpec(
    n_fft=400,
    win_length=400,
    hop_length=160,
    pad_mode="reflect",
    window_s=4.0,
    stride_s=2.0,
    padding="zeros",
    aggregate="none",
    blocks=(WhisperLogMel(level="rms"),),
)
"""Whisper's log-mel of 4 s, level removed: 401 frames of 80 bands."""
