"""Files as people's phones, browsers, recorders and pipes write them, by name."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest

from tests.support import clips


class Form(NamedTuple):
    """How a clip is written, and the format that the answer says."""

    container: str
    codec: str
    format: str
    options: Mapping[str, str] = MappingProxyType({})


FORMS = {
    "WAV": Form("wav", "pcm_s16le", "WAV"),
    "WAV, 24 bit": Form("wav", "pcm_s24le", "WAV"),
    "WAV, 8 bit": Form("wav", "pcm_u8", "WAV"),
    "WAV, mu-law": Form("wav", "pcm_mulaw", "WAV"),
    "WAV, ADPCM": Form("wav", "adpcm_ms", "WAV"),
    "WAV, G.722": Form("wav", "g722", "WAV"),
    "WAV, MP3": Form("wav", "libmp3lame", "WAV"),
    "RF64": Form("wav", "pcm_s16le", "WAV", {"rf64": "always"}),
    "W64": Form("w64", "pcm_s16le", "W64"),
    "AIFF": Form("aiff", "pcm_s16be", "AIFF"),
    "AU": Form("au", "pcm_s16be", "AU"),
    "AU, mu-law": Form("au", "pcm_mulaw", "AU"),
    "CAF, PCM": Form("caf", "pcm_s16le", "CAF"),
    "CAF, ALAC": Form("caf", "alac", "CAF"),
    "FLAC": Form("flac", "flac", "FLAC"),
    "Ogg, FLAC": Form("ogg", "flac", "OGG"),
    "Ogg, Opus": Form("ogg", "libopus", "OGG"),
    "MP3": Form("mp3", "libmp3lame", "MP3"),
    "MP3 from a pipe": Form("mp3", "libmp3lame", "MP3", {"write_xing": "0", "id3v2_version": "0"}),
    "MP2": Form("mp2", "mp2", "MP3"),
    "AAC": Form("adts", "aac", "ADTS"),
    "M4A": Form("ipod", "aac", "MP4"),
    "M4A, ALAC": Form("ipod", "alac", "MP4"),
    "MP4 in fragments": Form("mp4", "aac", "MP4", {"movflags": "empty_moov", "frag_duration": "200000"}),
    "QuickTime": Form("mov", "pcm_s16le", "MP4"),
    "3GP, AMR": Form("3gp", "libopencore_amrnb", "MP4"),
    "AMR": Form("amr", "libopencore_amrnb", "AMR"),
    "WebM, Opus": Form("webm", "libopus", "MATROSKA"),
    "Matroska, PCM": Form("matroska", "pcm_s16le", "MATROSKA"),
    "Matroska, AAC": Form("matroska", "aac", "MATROSKA"),
    "WMA 1": Form("asf", "wmav1", "ASF"),
    "WMA 2": Form("asf", "wmav2", "ASF"),
}  # fmt: skip


def write(name: str, samples: np.ndarray, rate: int = 48_000) -> bytes:
    """`[channels, samples]` as a file of this name in `FORMS`."""
    form = FORMS[name]
    return clips.multiplexed(form.container, [(form.codec, samples)], rate, **form.options)


def by_ffmpeg(folder: Path, wav: bytes, form: str, *arguments: str) -> bytes:
    """What PyAV cannot write, by the program. The test that asks is skipped where it is not there."""
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg, which can write this format")
    written = folder / f"clip.{form}"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-i", "-", *arguments, "-f", form, str(written)]
    subprocess.run(command, input=wav, check=True, timeout=60)
    return written.read_bytes()


def tone(seconds: float, rate: int = 48_000, hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    """A sine in one channel, `[1, samples]`."""
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)[np.newaxis]
