from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_emotion.client import ClipTooLargeError
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
    (b"x", 16_000, "a file contains its own"),
    (np.zeros((2, 2, 2)), 16_000, "3 dimensions"),
    (np.zeros(3, np.int64), 16_000, "int64"),
    (np.zeros((2, 16_000)), 16_000, r"\(2, 16000\)"),
    (np.zeros((16_000, 0)), 16_000, r"\(16000, 0\)"),
    (np.zeros(3), 0, "got 0"),
    (np.zeros(3), -8_000, "got -8000"),
    (np.zeros(3), 44_100.5, "44100.5"),
    (np.zeros(3), 2**31, "2147483647"),
    (io.StringIO("text"), None, "binary mode"),
])  # fmt: skip
def test_what_is_no_clip_is_refused(source: object, rate: float | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_clip(source, rate, 1_000)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["path", "text", "bytes", "file", "samples"])
def test_a_clip_above_the_limit_is_refused_whatever_it_is(tmp_path: Path, form: str) -> None:
    data = encode_wav(samples := np.zeros(1_000, np.int16), 8_000)
    (path := tmp_path / "clip.wav").write_bytes(data)
    source = {"path": path, "text": str(path), "bytes": data, "file": io.BytesIO(data), "samples": samples}[form]
    rate = 8_000 if form == "samples" else None
    assert read_clip(source, rate, len(data))[1] == data
    if form == "file":
        source.seek(0)
    with pytest.raises(ClipTooLargeError, match="bytes"):
        read_clip(source, rate, len(data) - 1)


def test_a_name_that_is_not_utf_8_is_sent_as_one_that_is(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    Path(os.fsdecode(path)).write_bytes(b"x")
    assert read_clip(os.fsdecode(path), None, 10) == ("caf?.wav", b"x")


def test_importing_the_client_brings_httpx_websockets_and_little_else() -> None:
    code = """
import sys, httpx, anyio, websockets.asyncio.client, websockets.sync.client
before = set(sys.modules)
from speech_emotion.client import Client
print(" ".join(sorted({name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.split() == ["speech_emotion"]


def test_a_rate_may_be_a_float_without_a_fraction() -> None:
    assert encode_wav(np.zeros(3, np.int16), 16_000.0) == encode_wav(np.zeros(3, np.int16), 16_000)  # type: ignore[arg-type]
