"""Sounds made from a seed, for tests and for trying things: no recording of anyone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from training_pipeline.data.clips import Clip, write_clips

RATE = 16_000
EMOTIONS = ("calm", "happy", "angry")


def voice(seconds: float, pitch_hz: float, vibrato: float, seed: int, rate: int = RATE) -> npt.NDArray[np.float32]:
    """A buzz with formants and syllables, float32 `[seconds * rate]`, peak 0.5: voice-like, no voice."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + vibrato * np.sin(2 * np.pi * 5 * time))) / rate
    formants = (600 + 300 * np.sin(2 * np.pi * 2 * time), np.full_like(time, 1700.0))
    sound = np.zeros_like(time)
    for n in range(1, int(min(4000, rate / 2) / pitch_hz)):
        gain = sum(np.exp(-(((n * pitch_hz - formant) / 250) ** 2)) for formant in formants)
        sound += (gain + 0.05) / n * np.sin(n * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) ** 0.5
    sound = sound * syllables + 0.002 * random.normal(size=time.size)
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)


def sample_clip() -> bytes:
    """A WAV file with three seconds of the buzz."""
    return _wav(voice(3.0, 180.0, 0.04, seed=1))


def write_sample(path: Path) -> None:
    """Write `sample_clip` to a file. Raises OSError."""
    path.write_bytes(sample_clip())


def write_synthetic(folder: Path, speakers: int = 6, takes: int = 4, seed: int = 0) -> Path:
    """Write a small set with three emotions told apart by pitch and vibrato; returns its manifest. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for speaker in range(speakers):
        for index, emotion in enumerate(EMOTIONS):
            for take in range(takes):
                path = folder / f"{speaker:02d}-{emotion}-{take}.wav"
                pitch = (110 if speaker % 2 else 190) * (1 + 0.35 * index) * (1 + 0.02 * take)
                sound = voice(1.0 + 0.2 * take, pitch, 0.02 + 0.05 * index, seed + take + 100 * speaker)
                path.write_bytes(_wav(sound))
                clips.append(Clip(path, emotion, f"{speaker:02d}", "male" if speaker % 2 else "female"))
    manifest = folder / "manifest.csv"
    write_clips(manifest, clips)
    return manifest


def _wav(sound: npt.NDArray[np.float32]) -> bytes:
    # In memory: libsndfile says only "System error" of a file that it cannot write.
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
