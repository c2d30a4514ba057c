"""Decoding in the pool against decoding in process: `python -m benchmarks.decode`, a table in Markdown.

For each format a clip of three seconds, both ways by turns in one run; the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial

from speech_emotion.audio import DecoderOptions, DecoderPool, Limits, decode
from tests.support import clips

SECONDS = 3.0


def formats() -> dict[str, bytes]:
    """A clip in each format."""
    libsndfile = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")]
    made = {f"{form} {sub}": clips.tone(SECONDS, format=form, subtype=sub) for form, sub in libsndfile}
    made["MP3"] = clips.tone(SECONDS, format="MP3")
    made["M4A AAC, 48 kHz"] = clips.contained("ipod", "aac", SECONDS)
    made["WebM Opus, 48 kHz"] = clips.contained("webm", "libopus", SECONDS)
    return made


def median_ms(runs: int, *ways: Callable[[], object]) -> list[float]:
    """The median of each way, taken by turns so that both see the same machine."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(runs):
        for way, times in zip(ways, taken, strict=True):
            begun = time.perf_counter()
            way()
            times.append(1000 * (time.perf_counter() - begun))
    return [statistics.median(times[runs // 10 :]) for times in taken]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
    print(f"{time.strftime('%Y-%m-%d')}, {revision.stdout.strip()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"Python {platform.python_version()}; median of {runs} clips of {SECONDS:g} s\n")
    print("| format | in process, ms | pool, ms | pool / in process | more, ms |\n|---|---|---|---|---|")
    limits = Limits()
    with DecoderPool(1, DecoderOptions(limits)) as pool:
        for name, clip in formats().items():
            in_process = partial(decode, clip, limits)
            in_pool = partial(pool.decode, clip, time.monotonic() + 600)
            here, there = median_ms(runs, in_process, in_pool)
            print(f"| {name} | {here:.2f} | {there:.2f} | {there / here:.2f} | {there - here:+.2f} |")


if __name__ == "__main__":
    main()
