"""What `/predict` waits beside recordings and streams: `python -m benchmarks.recording_lane`, a table in Markdown.

Rounds of load alternate, with and without long work, so that what else the machine does is in both alike. Each
recording is sent again when it is answered, so that all places are taken all the time; streams send in real time.
"""

from __future__ import annotations

import argparse
import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import requests
import soundfile

from benchmarks.recording_speed import RATE, speech, table
from benchmarks.report import circumstances, processor
from benchmarks.shipped import model_server
from tests.support.gateway import Gateway
from tests.support.live_swarm import LivePlan, run_live
from tests.support.load import post_raw, run_load

WARM_S = 5.0  # decoders start, and each stream has sent its first window


def pcm_16(samples: npt.NDArray[np.float32]) -> bytes:
    """Samples as streams send them."""
    return (32_767 * samples).astype("<i2").tobytes()


@contextmanager
def recordings(gateway: Gateway, data: bytes, count: int) -> Iterator[None]:
    """So many recordings are heard all the time."""
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            with requests.post(
                f"{gateway.url}/v1/recordings",
                data=data,
                headers={"Content-Type": "audio/flac"},
                stream=True,
                timeout=60,
            ) as response:
                for _ in response.iter_lines():
                    if ended.is_set():
                        break

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def streams(gateway: Gateway, samples: bytes, count: int, seconds: float, lags_s: list[float]) -> Iterator[None]:
    """So many live streams are open for `seconds`, which should be those of the block; adds how late they were."""
    plan = LivePlan(f"ws{gateway.url.removeprefix('http')}/v1/stream", count, seconds, WARM_S)
    thread = threading.Thread(target=lambda: lags_s.extend(run_live(plan, samples).lags_s))
    if count:
        thread.start()
    try:
        yield
    finally:
        if count:
            thread.join()


def heard_s(gateway: Gateway) -> float:
    text = requests.get(f"{gateway.probes}/metrics", timeout=10).text
    name = "speech_emotion_recording_audio_seconds_total "
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


def measure(
    clip: bytes,
    long: bytes,
    *,
    clients: int,
    pause_s: float,
    count: int,
    live: int,
    rounds: int,
    seconds: float,
    **settings: object,
) -> dict[str, object]:
    """Percentiles with and without, of all rounds together."""
    places = {"max_recordings": max(1, count), "stream_max_open": live or 1, "stream_max_open_per_client": live or 1}
    spoken = pcm_16(speech(120.0))
    with model_server() as server, Gateway(server.address, **places, **settings) as gateway:
        send = post_raw(f"{gateway.url}/predict", clip)
        run_load(send, clients=clients, seconds=3)
        alone: list[float] = []
        beside: list[float] = []
        lags: list[float] = []
        refused, heard = 0, 0.0
        for _ in range(rounds):
            quiet = run_load(send, clients=clients, seconds=seconds, pause_s=pause_s)
            alone += [record.latency_s for record in quiet.records if record.status == 200]
            with recordings(gateway, long, count), streams(gateway, spoken, live, WARM_S + seconds, lags):
                time.sleep(WARM_S)
                before = heard_s(gateway)
                busy = run_load(send, clients=clients, seconds=seconds, pause_s=pause_s)
                heard += heard_s(gateway) - before
            beside += [record.latency_s for record in busy.records if record.status == 200]
            refused += len(quiet.failed) + len(busy.failed)
    percentiles = {p: (np.percentile(alone, p), np.percentile(beside, p)) for p in (50, 99)}
    return {
        "clients": clients,
        "pause s": pause_s,
        "recordings": count,
        "streams": live,
        **{name: str(value) for name, value in settings.items()},
        "clips": f"{len(alone)}, {len(beside)}",
        **{f"p{p} ms": f"{1000 * a:.0f}, {1000 * b:.0f}" for p, (a, b) in percentiles.items()},
        **{f"p{p} ratio": f"{b / a:.2f}" for p, (a, b) in percentiles.items()},
        "refused": refused,
        "streams' windows late by ms": ", ".join(f"{1000 * np.percentile(lags or [0], p):.0f}" for p in (50, 99)),
        "recordings, s heard a second": f"{heard / (rounds * seconds):.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording_lane", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=0.1, help="between an answer and the next request")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25])
    parser.add_argument("--batches", type=int, nargs="+", default=[4])
    options = parser.parse_args()
    clip, long = io.BytesIO(), io.BytesIO()
    soundfile.write(clip, speech(3.0), RATE, format="WAV")
    soundfile.write(long, speech(1_800.0), RATE, format="FLAC")
    print(f"{circumstances()}, {processor()}; load average {os.getloadavg()[0]:.1f}\n")
    rows = [
        measure(
            clip.getvalue(),
            long.getvalue(),
            clients=options.clients,
            pause_s=options.pause_s,
            count=options.recordings,
            live=options.streams,
            rounds=options.rounds,
            seconds=options.seconds,
            lane_share=share,
            lane_batch=batch,
        )
        for share in options.shares
        for batch in options.batches
    ]
    print(table(rows))


if __name__ == "__main__":
    main()
