"""Bytes to samples: probe the header, check limits, decode, downmix, resample, find speech.

Must not know: features, models, HTTP.
"""

from speech_emotion.audio.blocks import BlockSource, open_blocks
from speech_emotion.audio.decode import decode, load, probe
from speech_emotion.audio.decoder import DecoderOptions
from speech_emotion.audio.hints import MAX_TRACKS, NO_HINTS, Hints, Raw, raw_of
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.pool import DecoderPool
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.audio.quality import QualityLimits
from speech_emotion.audio.signal import prepare

__all__ = [
    "MAX_TRACKS",
    "NO_HINTS",
    "AudioInfo",
    "BlockSource",
    "DecoderOptions",
    "DecoderPool",
    "Hints",
    "Limits",
    "QualityLimits",
    "Raw",
    "decode",
    "load",
    "open_blocks",
    "prepare",
    "probe",
    "raw_of",
]
