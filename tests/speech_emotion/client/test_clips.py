from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speech_emotion.client.clips import encode_wav, read_clip


@pytest.mark.parametrize("samples", [
    np.array([0.1, -1.25, 1.0], np.float32),
    np.array([[0.5, -0.5], [0.25, 1.0]], np.float32),
    np.array([1, -32768, 32767], np.int16),
])  # fmt: skip
def test_samples_come_back_as_they_were(samples: np.ndarray) -> None:
    read, rate = soundfile.read(io.BytesIO(encode_wav(samples, 22_050)), dtype=samples.dtype.name)
    assert rate == 22_050
    np.testing.assert_array_equal(read, samples)


@pytest.mark.parametrize(("source", "rate", "said"), [
    (np.zeros(3), None, "sample_rate"),
    (b"x", 16_000, "a file says its own"),
    (np.zeros((2, 2, 2)), 16_000, "3 dimensions"),
    (np.zeros(3, np.int64), 16_000, "int64"),
    (io.StringIO("text"), None, "binary mode"),
])  # fmt: skip
def test_what_is_no_clip_is_refused(source: object, rate: int | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_clip(source, rate)  # type: ignore[arg-type]


def test_importing_the_client_brings_httpx_and_little_else() -> None:
    code = """
import sys, httpx, anyio
before = set(sys.modules)
from speech_emotion.client import Client
print(" ".join(sorted({name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.split() == ["speech_emotion"]
