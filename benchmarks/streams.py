"""How late the windows of live streams are answered, and what memory and CPU many of them take.

`python -m benchmarks.streams` writes docs/measurements/streams.md's table anew: real speech (RAVDESS_DIR, or the
recordings beside the project) sent in real time in blocks of 0.1 s, the gateway kept to one core, the shipped model's
server to another. A window is late from the moment at which its last sample was sent.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.overload import CORES, GATEWAY_CORE, OTHER_CORES, kept_to
from benchmarks.report import circumstances
from benchmarks.shipped import model_server
from tests.conftest import recordings_dir
from tests.support.gateway import Gateway
from tests.support.live_swarm import LivePlan, run_live
from tests.support.memory import family

PAGE = Path(__file__).parents[1] / "docs" / "measurements" / "streams.md"
TABLE = re.compile(r"(?<=<!-- made by benchmarks.streams -->\n).*?(?=<!-- until here -->)", re.DOTALL)
LOADS = (1, 5, 10, 20)


def speech(seconds: float = 120.0) -> bytes:
    """16-bit samples at 16 kHz of recordings, one after the other."""
    folder = recordings_dir()
    assert folder is not None, "set RAVDESS_DIR"
    parts, length = [], 0
    for path in sorted(folder.rglob("*.flac"))[::7]:
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 16_000
        parts.append(samples)
        length += len(samples)
        if length > seconds * rate:
            break
    return bytes(np.concatenate(parts).tobytes())


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB."""
    pages = sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children."""
    fields = (Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split() for member in family(pid))
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def measure(loads: Iterable[int], seconds: float) -> Iterator[dict[str, object]]:
    """One row for each number of streams."""
    samples = speech()
    with kept_to(OTHER_CORES), model_server() as server:
        with kept_to(GATEWAY_CORE):
            gateway = Gateway(server.address, stream_max_open=200, stream_max_open_per_client=200)
        with kept_to(GATEWAY_CORE), gateway:
            assert gateway.process
            assert server.process
            pids = gateway.process.pid, server.process.pid
            url = f"ws{gateway.url.removeprefix('http')}/v1/stream"
            run_live(LivePlan(url, 1, 8.0), samples)  # warm
            for streams in loads:
                before, begun = [(memory_mb(pid), cpu_s(pid)) for pid in pids], time.perf_counter()
                report = run_live(LivePlan(url, streams, seconds), samples, set(CORES))
                wall_s = time.perf_counter() - begun
                lags = 1000 * np.array(report.lags_s)
                used = [
                    (memory_mb(pid) - held, cpu_s(pid) - spent) for pid, (held, spent) in zip(pids, before, strict=True)
                ]
                yield {
                    "streams": streams,
                    "windows": len(lags),
                    "median ms": f"{np.percentile(lags, 50):.0f}",
                    "p99 ms": f"{np.percentile(lags, 99):.0f}",
                    "worst ms": f"{lags.max():.0f}",
                    "client late ms": f"{1000 * report.late_blocks_s:.0f}",
                    "closed": ", ".join(f"{count} with {code}" for code, count in report.closes.items()),
                    "gateway CPU": f"{100 * used[0][1] / wall_s:.0f} %",
                    "server CPU": f"{100 * used[1][1] / wall_s:.0f} %",
                    "gateway MB": f"{memory_mb(pids[0]):.0f} ({used[0][0]:+.0f})",
                }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each stream")
    parser.add_argument("--streams", type=int, action="append", help="at once, may be repeated")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    rows = []
    for each in measure(options.streams or LOADS, options.seconds):
        print(each, flush=True)
        rows.append(each)
    if not options.dry:
        lines = [f"{circumstances()}, load average {os.getloadavg()[0]:.1f} at the end", "", *table(rows), ""]
        PAGE.write_text(TABLE.sub(lambda _: "\n".join(lines), PAGE.read_text()))


def table(rows: list[dict[str, object]]) -> list[str]:
    """Rows as Markdown."""
    names = list(rows[0])
    head = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return head + [f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows]


if __name__ == "__main__":
    main()
