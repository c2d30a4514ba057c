"""Many live streams in a process of their own: speech sent in real time, and how late each window is answered.

`python -m tests.support.live_swarm SAMPLES PLAN` prints a JSON report. SAMPLES are 16-bit samples; each stream begins
at another place of them, and at another moment of a stride.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

RATE, BLOCK_S, STRIDE_S = 16_000, 0.1, 2.0


@dataclass(frozen=True)
class LivePlan:
    """`url` of a stream; windows that end in the first `warm_s` are not counted."""

    url: str
    streams: int
    seconds: float
    warm_s: float = 8.0


@dataclass(frozen=True)
class LiveReport:
    """Seconds from the moment at which a window's last sample was sent to its answer; closes other than 1000."""

    lags_s: list[float]
    closes: dict[str, int]
    late_blocks_s: float
    """How late the clients themselves were with a block, at worst."""


def run_live(plan: LivePlan, samples: bytes, cores: set[int] | None = None) -> LiveReport:
    """Hold the streams in a process that is kept to `cores`."""
    pin = None if cores is None else lambda: os.sched_setaffinity(0, cores)
    with tempfile.NamedTemporaryFile() as file:
        file.write(samples)
        file.flush()
        command = [sys.executable, "-m", "tests.support.live_swarm", file.name, json.dumps(asdict(plan))]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[2], preexec_fn=pin
        )
    return LiveReport(**json.loads(done.stdout))


class _Swarm:
    def __init__(self, plan: LivePlan, samples: bytes) -> None:
        self._plan = plan
        self._samples = samples
        self.lags_s: list[float] = []
        self.closes: dict[str, int] = {}
        self.late_s = 0.0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._plan.streams):
                tasks.create_task(self._stream(number))

    async def _stream(self, number: int) -> None:
        await asyncio.sleep(STRIDE_S * number / self._plan.streams)
        at = (len(self._samples) * number // self._plan.streams) & ~1
        data = self._samples[at:] + self._samples[:at]
        size = round(2 * RATE * BLOCK_S)
        async with connect(self._plan.url, proxy=None, compression=None, ping_interval=None) as ws:
            await ws.send(json.dumps({"sample_rate": RATE}))
            await ws.recv()
            begun = time.perf_counter()
            listening = asyncio.create_task(self._listen(ws, begun))
            for block in range(1, round(self._plan.seconds / BLOCK_S) + 1):
                await asyncio.sleep(max(0.0, begun + block * BLOCK_S - time.perf_counter()))
                self.late_s = max(self.late_s, time.perf_counter() - begun - block * BLOCK_S)
                try:
                    await ws.send(data[(block - 1) * size % len(data) :][:size])
                except ConnectionClosed:
                    break
            else:
                await ws.send('{"type": "finish"}')
            await listening
            code = str(ws.close_code)
            self.closes[code] = self.closes.get(code, 0) + 1

    async def _listen(self, ws: object, begun: float) -> None:
        async for text in ws:  # type: ignore[attr-defined]
            message = json.loads(text)
            if message["type"] == "window" and self._plan.warm_s < message["end_s"] < self._plan.seconds - BLOCK_S:
                self.lags_s.append(time.perf_counter() - begun - message["end_s"])


def main() -> None:
    swarm = _Swarm(LivePlan(**json.loads(sys.argv[2])), Path(sys.argv[1]).read_bytes())
    gc.disable()
    asyncio.run(swarm.run())
    json.dump({"lags_s": swarm.lags_s, "closes": swarm.closes, "late_blocks_s": swarm.late_s}, sys.stdout)


if __name__ == "__main__":
    main()
