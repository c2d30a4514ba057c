"""Bytes to float32 samples, bounded before and while decoding."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo, info_of, open_sound
from speech_emotion.audio.signal import prepare
from speech_emotion.errors import CorruptAudioError, EmptyAudioError, NonFiniteAudioError

BLOCK_FRAMES = 65_536


def decode(data: bytes, limits: Limits) -> tuple[npt.NDArray[np.float32], AudioInfo]:
    """Decode an audio file to float32 `[channels, samples]` in -1..1 at its own rate.

    The header is checked against `limits` first, and the running length again while decoding, since a
    header may lie. The returned info has the frames really decoded.

    Raises EmptyAudioError, UnsupportedFormatError, CorruptAudioError, NonFiniteAudioError, or a LimitError.
    """
    if not data:
        raise EmptyAudioError("the file is empty")
    with open_sound(data) as sound:
        info = info_of(sound)
        limits.check(info)
        samples = _read(sound, limits)
    if not samples.size:
        raise EmptyAudioError("the audio has no samples")
    if not np.isfinite(samples).all():
        raise NonFiniteAudioError("the audio holds samples that are not numbers (NaN or infinity)")
    return samples, replace(info, frames=samples.shape[1])


def load(
    source: str | PathLike[str] | bytes, target_rate: int, limits: Limits | None = None
) -> npt.NDArray[np.float32]:
    """Decode a file or its bytes to mono float32 `[samples]` at `target_rate` Hz; raises what `decode` does."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    samples, info = decode(data, limits or Limits())
    return prepare(samples, info.sample_rate, target_rate)


def _read(sound: soundfile.SoundFile, limits: Limits) -> npt.NDArray[np.float32]:
    blocks: list[npt.NDArray[np.float32]] = []
    frames = 0
    try:
        while (block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)).shape[0]:
            frames += block.shape[0]
            limits.check_duration(frames / sound.samplerate)
            blocks.append(block.T)
    except soundfile.SoundFileError as error:
        raise CorruptAudioError(f"the audio cannot be decoded past {frames / sound.samplerate:.2f} s") from error
    if frames < sound.frames:
        raise CorruptAudioError(f"the header promises {sound.frames} frames, the file holds {frames}")
    return np.concatenate(blocks, axis=1) if blocks else np.empty((sound.channels, 0), np.float32)
