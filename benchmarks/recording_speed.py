"""What an hour of speech costs: `OPENBLAS_NUM_THREADS=1 python -m benchmarks.recording_speed`, tables in Markdown.

A real gateway before a real model server answers `/v1/recordings`; CPU seconds are those of all processes of each, as
the kernel counts them. Speech is that of the recordings that ship, one after the other.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import requests
import soundfile

from benchmarks.report import circumstances, processor
from benchmarks.shipped import model_server
from preprocess_gateway.settings import Settings
from speech_emotion.audio import open_blocks
from speech_emotion.features import WHISPER_SPEC
from speech_emotion.hearing import Listener
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.memory import family

ROOT = Path(__file__).parents[1]
RATE = 16_000
HOUR_S = 3_600.0
TICKS = os.sysconf("SC_CLK_TCK")
BATCHES = (1, 2, 4, 8, 16)
Array = npt.NDArray[np.float32]


def speech(seconds: float) -> Array:
    """The recordings that ship, again and again."""
    found = [soundfile.read(path, dtype="float32")[0] for path in sorted((ROOT / "samples").glob("*.flac"))]
    once = np.concatenate(found)
    count = round(seconds * RATE)
    return np.tile(once, 1 + count // once.size)[:count]


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, its descendants, and those of them that have ended."""
    total = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def answered(gateway: Gateway, data: bytes, model: str) -> int:
    """How many windows a recording has."""
    url = f"{gateway.url}/v1/models/{model}/recordings"
    response = requests.post(url, data=data, headers={"Content-Type": "audio/flac"}, timeout=600)
    last = json.loads(response.text.splitlines()[-1])
    assert last["type"] == "summary", last
    return int(last["windows"])


def end_to_end(data: bytes, seconds: float, model: str, batches: tuple[int, ...]) -> Iterator[dict[str, object]]:
    """CPU seconds for an hour, by batch."""
    with model_server() as server:
        assert server.process
        for batch in batches:
            with Gateway(server.address, model_names="speech_emotion,edge", lane_batch=batch) as gateway:
                assert gateway.process
                answered(gateway, clips.tone(60.0, format="FLAC"), model)
                before = cpu_s(gateway.process.pid), cpu_s(server.process.pid)
                begun = time.monotonic()
                windows = answered(gateway, data, model)
                wall_s = time.monotonic() - begun
                spent = cpu_s(gateway.process.pid) - before[0], cpu_s(server.process.pid) - before[1]
            to_hour = HOUR_S / seconds
            yield {
                "model": model,
                "windows a call": batch,
                "gateway, CPU s": f"{spent[0] * to_hour:.1f}",
                "model server, CPU s": f"{spent[1] * to_hour:.1f}",
                "together": f"{sum(spent) * to_hour:.1f}",
                "CPU ms of the model server for a window": f"{1000 * spent[1] / windows:.1f}",
                "wall s here": f"{wall_s * to_hour:.0f}",
            }


def parts(data: bytes, seconds: float) -> dict[str, object]:
    """CPU seconds for an hour of what a gateway does for either model, each alone in this process."""
    settings, spent = Settings(), dict.fromkeys(("decode", "hear"), 0.0)
    Listener(RATE, 1, WHISPER_SPEC, settings.quality_limits).hear(
        speech(20.0)[np.newaxis]
    )  # compiles on its first call
    with open_blocks(data, settings.recording_limits) as blocks:
        listener = Listener(blocks.info.sample_rate, blocks.info.channels, WHISPER_SPEC, settings.quality_limits)
        begun = time.process_time()
        for block in blocks:
            decoded = time.process_time()
            listener.hear(block)
            spent["decode"] += decoded - begun
            begun = time.process_time()
            spent["hear"] += begun - decoded
        listener.end()
    return {f"{name}, CPU s": f"{value * HOUR_S / seconds:.1f}" for name, value in spent.items()}


def table(rows: list[dict[str, object]]) -> str:
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording_speed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of speech, from which an hour is reckoned")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    options = parser.parse_args()
    buffer = io.BytesIO()
    soundfile.write(buffer, speech(options.seconds), RATE, format="FLAC")
    data = buffer.getvalue()
    print(f"{circumstances()}, {processor()}; load average {os.getloadavg()[0]:.1f}\n")
    batches = tuple(options.batches)
    rows = [row for model in ("speech_emotion", "edge") for row in end_to_end(data, options.seconds, model, batches)]
    print(table(rows), "\n")
    print(table([parts(data, options.seconds)]))


if __name__ == "__main__":
    main()
