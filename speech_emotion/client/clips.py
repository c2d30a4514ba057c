"""What a caller has, as the bytes of an audio file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union, cast

from speech_emotion.client.errors import ClipTooLargeError
from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import open_at_most, read_at_most, require_size

if TYPE_CHECKING:
    import numpy.typing as npt

ClipSource: TypeAlias = Union[str, "PathLike[str]", bytes, BinaryIO, "npt.NDArray[Any]"]

MAX_CHANNELS = 1024
MAX_RATE = 2**31 - 1
"""What libsndfile writes."""


def read_clip(source: ClipSource, sample_rate: int | None, max_bytes: int) -> tuple[str, bytes]:
    """Name and bytes of a clip: a path, bytes, a binary file, or samples with their rate in Hz.

    Raises ClipTooLargeError for more than `max_bytes`, of which no more are read; OSError for a file that cannot be
    read, ValueError for samples without a rate and a rate without samples.
    """
    try:
        name, data = _read(source, sample_rate, max_bytes)
        require_size(len(data), max_bytes)
    except FileTooLargeError as error:
        raise ClipTooLargeError(str(error)) from error
    return name, data


@contextmanager
def open_recording(
    source: ClipSource, sample_rate: int | None, max_bytes: int
) -> Iterator[tuple[str, bytes | BinaryIO]]:
    """Name and content of a recording, of which a file is not read into memory; raises what `read_clip` does."""
    try:
        if isinstance(source, bytes) or not (isinstance(source, str | PathLike) or hasattr(source, "read")):
            yield read_clip(source, sample_rate, max_bytes)
            return
        _refuse_rate(sample_rate)
        with open_at_most(cast(Any, source), max_bytes) as file:
            yield _name(source), file
    except FileTooLargeError as error:
        raise ClipTooLargeError(str(error)) from error


def _read(source: ClipSource, sample_rate: int | None, max_bytes: int) -> tuple[str, bytes]:
    if isinstance(source, bytes | str | PathLike) or hasattr(source, "read"):
        _refuse_rate(sample_rate)
        return _read_file(source, max_bytes)
    if sample_rate is None:
        raise ValueError("samples need their sample_rate in Hz")
    return "samples.wav", encode_wav(source, sample_rate)


def encode_wav(samples: npt.NDArray[Any], sample_rate: int) -> bytes:
    """`[samples]` or `[samples, channels]` as WAV, without loss: int16 as 16-bit PCM, floats (-1..1) as float32.

    Raises ValueError for other shapes, types and rates, ImportError where numpy or soundfile is not installed.
    """
    np, soundfile = library("numpy"), library("soundfile")
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must be [samples] or [samples, channels], got {samples.ndim} dimensions")
    if samples.ndim == 2 and not 0 < samples.shape[1] <= MAX_CHANNELS:
        raise ValueError(f"samples must be [samples] or [samples, channels], got the shape {samples.shape}")
    if not (0 < sample_rate <= MAX_RATE and sample_rate == int(sample_rate)):
        raise ValueError(f"sample_rate must be a whole number of Hz from 1 to {MAX_RATE}, got {sample_rate}")
    if samples.dtype == np.int16:
        subtype = "PCM_16"
    elif np.issubdtype(samples.dtype, np.floating):
        subtype, samples = "FLOAT", samples.astype(np.float32)
    else:
        raise ValueError(f"samples must be int16 or floats in -1..1, got {samples.dtype}")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, int(sample_rate), format="WAV", subtype=subtype)
    return buffer.getvalue()


def library(name: str) -> Any:
    """A library that only samples need: without samples it need not be installed, and is not imported.

    Raises ImportError, which says what to install, if it is missing.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        said = f"samples need {name}, which is not installed: pip install 'speech-emotion-client[samples]'"
        raise ImportError(said, name=name) from None


def _read_file(source: Any, max_bytes: int) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "clip", source
    return _name(source), read_at_most(source, max_bytes)


def _name(source: Any) -> str:
    """What a form calls it. A name that is not UTF-8 cannot be part of a form; the service does not use it."""
    return Path(source).name.encode(errors="replace").decode() if isinstance(source, str | PathLike) else "clip"


def _refuse_rate(sample_rate: int | None) -> None:
    if sample_rate is not None:
        raise ValueError("sample_rate is for samples only: a file contains its own")
