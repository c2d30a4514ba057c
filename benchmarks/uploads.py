"""Clips as users upload them, and the bytes of the HTTP requests that carry them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
RATE = 48_000
BOUNDARY = "a-boundary-that-no-clip-has"


@contextmanager
def clips() -> Iterator[list[str]]:
    """Paths of WAV files of 48 kHz.

    They are those of the folder BENCH_CLIPS, else recordings beside the project, else the recordings of samples/,
    resampled.
    """
    recordings = Path(os.environ.get("BENCH_CLIPS", ROOT.parent / "shared" / "data" / "ravdess_wav48"))
    if found := sorted(str(path) for path in recordings.glob("*.wav")):
        yield found
        return
    import librosa  # here, as a load's process has to start quickly
    import soundfile

    with TemporaryDirectory() as folder:
        for path in sorted((ROOT / "samples").glob("*.flac")):
            samples, rate = soundfile.read(path, dtype="float32")
            upsampled = librosa.resample(samples, orig_sr=rate, target_sr=RATE)
            soundfile.write(Path(folder) / f"{path.stem}.wav", upsampled, RATE, subtype="PCM_16")
        yield sorted(str(path) for path in Path(folder).iterdir())


def request_of(path: str, body: str, clip: bytes) -> bytes:
    """A whole request with a clip as a `form`, as `raw` audio, or in `json` as base64 in `instances`."""
    match body:
        case "form":
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
            payload = f"{head}Content-Type: audio/wav\r\n\r\n".encode() + clip + f"\r\n--{BOUNDARY}--\r\n".encode()
            kind = f"multipart/form-data; boundary={BOUNDARY}"
        case "raw":
            payload, kind = clip, "audio/wav"
        case "json":
            payload = json.dumps({"instances": [{"b64": base64.b64encode(clip).decode()}]}).encode()
            kind = "application/json"
        case _:
            raise ValueError(f"a clip is sent as form, raw or json, not as {body!r}")
    lines = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return lines.encode() + payload
