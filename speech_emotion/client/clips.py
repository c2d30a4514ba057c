"""What a caller has, as the bytes of an audio file."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union

if TYPE_CHECKING:
    import numpy.typing as npt

ClipSource: TypeAlias = Union[str, "PathLike[str]", bytes, BinaryIO, "npt.NDArray[Any]"]


def read_clip(source: ClipSource, sample_rate: int | None) -> tuple[str, bytes]:
    """Name and bytes of a clip: a path, bytes, a binary file, or samples with their rate in Hz.

    Raises OSError for a file that cannot be read, ValueError for samples without a rate and a rate without samples.
    """
    if isinstance(source, bytes | str | PathLike) or hasattr(source, "read"):
        if sample_rate is not None:
            raise ValueError("sample_rate goes with samples only: a file says its own")
        return _read_file(source)
    if sample_rate is None:
        raise ValueError("samples need their sample_rate in Hz")
    return "samples.wav", encode_wav(source, sample_rate)


def encode_wav(samples: npt.NDArray[Any], sample_rate: int) -> bytes:
    """`[samples]` or `[samples, channels]` as WAV, without loss: int16 as 16-bit PCM, floats (-1..1) as float32.

    Raises ValueError for other shapes and types.
    """
    import numpy as np  # here, so that who sends files does not pay for it
    import soundfile

    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must be [samples] or [samples, channels], got {samples.ndim} dimensions")
    if samples.dtype == np.int16:
        subtype = "PCM_16"
    elif np.issubdtype(samples.dtype, np.floating):
        subtype, samples = "FLOAT", samples.astype(np.float32)
    else:
        raise ValueError(f"samples must be int16 or floats in -1..1, got {samples.dtype}")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def _read_file(source: Any) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "clip", source
    if isinstance(source, str | PathLike):
        path = Path(source)
        return path.name, path.read_bytes()
    data = source.read()
    if not isinstance(data, bytes):
        raise ValueError("the file must be opened in binary mode")
    return "clip", data
