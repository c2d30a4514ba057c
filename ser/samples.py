"""`ser sample`: the recordings that ship, and the synthetic clip, as files to try the service with."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import typer

from ser.output import output_file, writing
from speech_emotion.samples import Sample, find_sample, samples

STDOUT = Path("-")
PLAIN = Path("sample.wav")
"""What is written unless another file is named."""


def clip_file(path: Path) -> Path:
    """Callback of the option for the file: as `output_file`, and `-` is standard output."""
    if path != STDOUT:
        output_file(path)
    return path


def list_samples() -> None:
    """Print a table of the recordings, and their licence."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "emotion", "sentence", "actor", box=None)
    for one in samples():
        table.add_row(one.name, f"{one.emotion}, {one.intensity}", one.sentence, f"{one.actor}, {one.sex}")
    Console().print(table)
    typer.echo("\n".join(sorted({f"{one.licence}: {one.attribution}" for one in samples()})))


def write_recording(name: str | None, path: Path) -> None:
    """Write the recording of that name, or the first: FLAC where `path` ends in `.flac`, otherwise WAV, 16-bit.

    Raises UnknownSampleError, OSError.
    """
    sample = find_sample(name) if name else samples()[0]
    _write(sample.read() if path.suffix == ".flac" else _as_wav(sample), path)
    about = f"{sample.emotion}, {sample.source} of RAVDESS, actor {sample.actor}, {sample.sex}; {sample.licence}"
    typer.echo(f"{'standard output' if path == STDOUT else path}: {about}", err=True)


def write_synthetic_clip(path: Path) -> None:
    """Write three seconds of a buzz, which is no speech, as WAV. Raises OSError."""
    from training_pipeline.data.synthetic import sample_clip

    _write(sample_clip(), path)


def _as_wav(sample: Sample) -> bytes:
    import soundfile

    recorded, rate = soundfile.read(io.BytesIO(sample.read()), dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, recorded, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _write(clip: bytes, path: Path) -> None:
    if path == STDOUT:
        sys.stdout.buffer.write(clip)
        sys.stdout.buffer.flush()
    else:
        with writing(path):
            path.write_bytes(clip)
