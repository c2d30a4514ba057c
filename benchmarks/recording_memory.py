"""What a long recording takes of memory: `python -m benchmarks.recording_memory FILE...`, a table in Markdown.

For each file a fresh gateway before a real model server answers it at `/v1/recordings`, while the memory of all the
gateway's processes is looked at. PSS counts what processes share once, RSS in each of them.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.report import circumstances
from benchmarks.shipped import model_server
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.memory import family

INTERVAL_S = 0.5
TYPES = {".m4a": "audio/mp4", ".opus": "audio/ogg", ".wav": "audio/wav"}
PIECE_BYTES = 1024 * 1024
Sample = tuple[float, float, float]


def memory_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process and all its descendants, in MB."""
    totals = [0, 0]
    for member in family(pid):
        try:
            said = Path(f"/proc/{member}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for index, field in enumerate(("Rss:", "Pss:")):
            totals[index] += int(said.partition(f"\n{field}")[2].split()[0])
    return totals[0] * 1024 / 1e6, totals[1] * 1024 / 1e6


@contextmanager
def watched(pid: int) -> Iterator[list[Sample]]:
    """Seconds, RSS and PSS, as long as the block runs."""
    samples: list[Sample] = []
    begun, ended = time.monotonic(), threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL_S):
            samples.append((time.monotonic() - begun, *memory_mb(pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        ended.set()
        watcher.join()


def answer(gateway: Gateway, path: Path) -> tuple[dict[str, Any], float]:
    """The last line, and seconds until the body was sent and the first line was there."""
    begun, first_s, last = time.monotonic(), 0.0, b"{}"
    with path.open("rb") as file:
        response = requests.post(
            f"{gateway.url}/v1/recordings",
            data=iter(lambda: file.read(PIECE_BYTES), b""),
            headers={"Content-Type": TYPES.get(path.suffix, "application/octet-stream")},
            stream=True,
            timeout=600,
        )
        for line in response.iter_lines(chunk_size=1):
            first_s = first_s or time.monotonic() - begun
            last = line or last
    said: dict[str, Any] = json.loads(last)
    return said, first_s


def measure(server: str, path: Path, settings: dict[str, object]) -> tuple[dict[str, str], list[Sample]]:
    """A row of the table, and what was seen."""
    with Gateway(server, **settings) as gateway:
        assert gateway.process
        for _ in range(3):  # whatever is made with the first clip is made
            gateway.predict(clips.tone(3.0, format="FLAC"))
        rss, pss = memory_mb(gateway.process.pid)
        begun = time.monotonic()
        with watched(gateway.process.pid) as samples:
            said, first_s = answer(gateway, path)
        wall_s = time.monotonic() - begun
        time.sleep(1)
        left = memory_mb(gateway.process.pid)
    more_rss, more_pss = (max(sample[index] for sample in samples) for index in (1, 2))
    if said["type"] != "summary":
        raise SystemExit(f"{path.name}: {said}")
    return {
        "recording": path.name,
        "MB": f"{path.stat().st_size / 1e6:.0f}",
        "length, s": f"{said['audio']['duration_s']:.0f}",
        "answered in, s": f"{wall_s:.0f}",
        "first line after, s": f"{first_s:.1f}",
        "idle, PSS (RSS)": f"{pss:.0f} ({rss:.0f})",
        "peak above idle, PSS (RSS)": f"{more_pss - pss:.0f} ({more_rss - rss:.0f})",
        "afterwards above idle, PSS (RSS)": f"{left[1] - pss:.0f} ({left[0] - rss:.0f})",
    }, samples


def draw(picture: Path, seen: dict[str, list[Sample]]) -> None:
    """PSS over time, a line for each recording."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, samples in seen.items():
        axes.plot([s[0] for s in samples], [s[2] for s in samples], label=name)
    axes.set(xlabel="seconds since the request began", ylabel="PSS of the gateway's processes, MB", ylim=(0, None))
    axes.legend()
    figure.savefig(picture, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", default="speech_emotion", help="of the store that ships")
    parser.add_argument("--spool", type=Path, help="folder for bodies; default: the system's temporary folder")
    parser.add_argument("--picture", type=Path, help="PNG of the memory over time")
    options = parser.parse_args()
    settings: dict[str, object] = {"model_name": options.model}
    if options.spool:
        settings["spool_dir"] = options.spool
    rows, seen = [], {}
    with model_server() as server:
        for path in options.files:
            row, seen[path.name] = measure(server.address, path, settings)
            print(row, flush=True)
            rows.append(row)
    print(f"\n{circumstances()}; model {options.model}\n")
    print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(row.values())} |")
    if options.picture:
        draw(options.picture, seen)


if __name__ == "__main__":
    main()
