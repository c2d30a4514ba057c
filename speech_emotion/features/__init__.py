"""Samples to the tensor a model was trained on: `FeatureSpec` says how, `extract` does it.

Must not know: audio containers, models, HTTP.
"""

from speech_emotion.features.extract import extract, window_spans
from speech_emotion.features.spec import SEED_SPEC, WHISPER_SPEC, Chroma, FeatureSpec, Mel, Mfcc, WhisperLogMel

__all__ = [
    "SEED_SPEC",
    "WHISPER_SPEC",
    "Chroma",
    "FeatureSpec",
    "Mel",
    "Mfcc",
    "WhisperLogMel",
    "extract",
    "window_spans",
]
