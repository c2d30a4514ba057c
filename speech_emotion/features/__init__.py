"""Samples to the tensor a model was trained on: `FeatureSpec` says how, `extract` does it.

Must not know: audio containers, models, HTTP.
"""

from speech_emotion.features.block import Block
from speech_emotion.features.blocks import Chroma, Mel, Mfcc, WhisperLogMel
from speech_emotion.features.extract import extract
from speech_emotion.features.shipped import SEED_SPEC, WHISPER_SPEC
from speech_emotion.features.spec import FeatureSpec
from speech_emotion.features.spectrum import Spectrum
from speech_emotion.features.windows import Window, Windows, window_spans

__all__ = [
    "SEED_SPEC",
    "WHISPER_SPEC",
    "Block",
    "Chroma",
    "FeatureSpec",
    "Mel",
    "Mfcc",
    "Spectrum",
    "WhisperLogMel",
    "Window",
    "Windows",
    "extract",
    "window_spans",
]
