"""Samples without a header, cut anywhere."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech_emotion.audio.raw import SAMPLE_BYTES, Encoding, RawSamples
from speech_emotion.errors import NonFiniteAudioError

ENCODINGS = tuple(SAMPLE_BYTES)


@given(st.sampled_from(ENCODINGS), st.integers(1, 3), st.lists(st.integers(0, 9), max_size=12))
def test_however_bytes_are_cut_the_samples_are_the_same(encoding: Encoding, channels: int, cuts: list[int]) -> None:
    data = bytes(range(7)) * 12
    if encoding == "pcm_f32le":
        data = np.linspace(-1, 1, 21, dtype="<f4").tobytes()
    whole = RawSamples(encoding, channels).read(data)
    reader, start, parts = RawSamples(encoding, channels), 0, []
    for cut in cuts:
        parts.append(reader.read(data[start : start + cut]))
        start += cut
    parts.append(reader.read(data[start:]))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert whole.shape == (channels, len(data) // (channels * SAMPLE_BYTES[encoding]))


def test_all_codes_of_mulaw_are_what_libsndfile_reads() -> None:
    codes = bytes(range(256))
    expected, _ = soundfile.read(
        io.BytesIO(codes), dtype="float32", samplerate=8000, channels=1, format="RAW", subtype="ULAW"
    )
    np.testing.assert_array_equal(RawSamples("mulaw", 1).read(codes)[0], expected)


def test_interleaved_channels_are_told_apart() -> None:
    data = np.array([1, -1, 2, -2], "<i2").tobytes()
    np.testing.assert_array_equal(RawSamples("pcm_s16le", 2).read(data) * 32_768, [[1, 2], [-1, -2]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.1e12, -3e38])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(NonFiniteAudioError, match="NaN"):
        RawSamples("pcm_f32le", 1).read(np.array([0, value], "<f4").tobytes())
