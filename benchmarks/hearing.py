"""What it costs to hear an hour of speech, stage by stage, and clips piece by piece against all at once.

`python -m benchmarks.hearing` hears a voice-like buzz without a pause, so every window has its features made, on one
thread, and asks the shipped models about them, as many windows at once as the gateway's lane does. It writes two
sections of docs/measurements/long_recordings.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks.report import LONG_RECORDINGS, write_section
from model_server.servable import Servable, SessionOptions
from preprocess_gateway.settings import Settings
from speech_emotion import contract
from speech_emotion.audio import AudioInfo, QualityLimits
from speech_emotion.audio.activity import Activity
from speech_emotion.audio.signal import Preparer
from speech_emotion.features import WHISPER_SPEC, FeatureSpec, Windows
from speech_emotion.features.columns import Columns
from speech_emotion.hearing import Listener, hear, with_stride
from tests.support.whole_clip import whole_clip
from training_pipeline.data.synthetic import RATE, voice

Array = npt.NDArray[np.float32]
Row = dict[str, object]
MODELS = Path(__file__).parents[1] / "models"
BATCH: int = Settings.model_fields["lane_batch"].default
LIMITS = QualityLimits()
STAGES = {
    "mixing, resampling": [(Preparer, "add"), (Preparer, "end")],
    "is there speech": [(Activity, "speech_level"), (Activity, "forget")],
    "transform": [(Columns, "power")],
    "features": [(Windows, "features")],
}
CASES = [
    ("16 kHz, blocks of 1 s", 16_000, 1, None, 1.0),
    ("8 kHz, blocks of 1 s", 8_000, 1, None, 1.0),
    ("48 kHz stereo, blocks of 1 s", 48_000, 2, None, 1.0),
    ("16 kHz, blocks of 20 ms", 16_000, 1, None, 0.02),
    ("16 kHz, a window every 0.5 s, blocks of 20 ms", 16_000, 1, 0.5, 0.02),
]


def sound(seconds: float, rate: int, channels: int) -> Array:
    """Float32 `[channels, samples]`, the same in each channel."""
    buzz = voice(seconds, 180.0, 0.04, seed=1)
    at_rate = np.interp(np.arange(round(seconds * rate)) * RATE / rate, np.arange(buzz.size), buzz)
    return np.tile(at_rate.astype(np.float32), (channels, 1))


@contextmanager
def timed(spent: Counter[str]) -> Iterator[None]:
    """Adds the CPU seconds of each stage to `spent`."""
    patches = [
        patch.object(part, name, _timed(getattr(part, name), stage, spent))
        for stage, methods in STAGES.items()
        for part, name in methods
    ]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def _timed(method: Callable[..., Any], stage: str, spent: Counter[str]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        begun = time.process_time()
        try:
            return method(*arguments)
        finally:
            spent[stage] += time.process_time() - begun

    return call


def listen(minutes: int, rate: int, channels: int, spec: FeatureSpec, block_s: float) -> tuple[float, int]:
    """CPU seconds, and how many windows there were."""
    minute, size = sound(60.0, rate, channels), round(block_s * rate)
    listener, windows = Listener(rate, channels, spec, LIMITS), 0
    begun = time.process_time()
    for _ in range(minutes):
        for start in range(0, minute.shape[1], size):
            windows += len(listener.hear(minute[:, start : start + size]))
    windows += len(listener.end())
    return time.process_time() - begun, windows


def hours(minutes: int) -> Iterator[Row]:
    """One row a case: CPU seconds for an hour, from so many minutes."""
    for case, rate, channels, stride_s, block_s in CASES:
        spec = WHISPER_SPEC if stride_s is None else with_stride(WHISPER_SPEC, stride_s)
        spent: Counter[str] = Counter()
        with timed(spent):
            total, windows = listen(minutes, rate, channels, spec, block_s)
        spent["features"] -= spent["transform"]  # made within it
        spent["rest"] = total - spent.total()
        stages = {stage: f"{60 / minutes * spent[stage]:.2f}" for stage in (*STAGES, "rest")}
        yield {
            "case": case,
            "windows": 60 * windows // minutes,
            **stages,
            "CPU s for an hour": f"{total * 60 / minutes:.1f}",
        }
    for name in ("speech_emotion/3", "edge/2"):
        seconds, windows = ask(MODELS / name, minutes)
        stages = dict.fromkeys((*STAGES, "rest"), "")
        case = f"model {name}, {BATCH} windows at once"
        yield {
            "case": case,
            "windows": 60 * windows // minutes,
            **stages,
            "CPU s for an hour": f"{seconds * 60 / minutes:.1f}",
        }


def ask(folder: Path, minutes: int) -> tuple[float, int]:
    """CPU seconds that the model takes for the windows of so many minutes, and how many these are."""
    servable = Servable(folder.parent.name, 1, folder, SessionOptions(intra_op_threads=1, inter_op_threads=1))
    heard = hear(sound(4.0, RATE, 1), AudioInfo("WAV", "PCM_16", RATE, 1, 4 * RATE), WHISPER_SPEC, LIMITS)
    features = np.repeat(np.stack([heard.windows[0].features]), BATCH, axis=0)
    call = partial(servable.infer, contract.SIGNATURE_PREDICT, {contract.INPUT_FEATURES: features})
    call()
    calls = -(-round(minutes * 60 / WHISPER_SPEC.stride_s) // BATCH)
    begun = time.process_time()
    for _ in range(calls):
        call()
    return time.process_time() - begun, calls * BATCH


def clips(runs: int) -> Iterator[Row]:
    """One row a length: piece by piece, as clips are heard, against librosa's transform of all of it; by turns."""
    for seconds in (1.0, 3.5, 55.0):
        samples = sound(seconds, RATE, 1)
        info = AudioInfo("WAV", "PCM_16", RATE, *samples.shape)
        heard, whole = medians_ms(
            max(3, round(runs / seconds)),
            partial(hear, samples, info, WHISPER_SPEC, LIMITS),
            partial(whole_clip, samples[0], WHISPER_SPEC, LIMITS),
        )
        ratio = f"{heard / whole:.2f}"
        yield {"clip": f"{seconds:g} s", "heard, ms": f"{heard:.2f}", "at once, ms": f"{whole:.2f}", "ratio": ratio}


def medians_ms(runs: int, *ways: Callable[[], object]) -> list[float]:
    """The median CPU time of each way, taken by turns."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(runs):
        for way, times in zip(ways, taken, strict=True):
            begun = time.process_time()
            way()
            times.append(1000 * (time.process_time() - begun))
    return [statistics.median(times) for times in taken]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hearing")
    parser.add_argument("--minutes", type=int, default=10, help="of each case")
    parser.add_argument("--runs", type=int, default=1_000, help="of a clip of a second; longer ones have fewer")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    with threadpool_limits(1):
        listen(1, RATE, 1, WHISPER_SPEC, 1.0)  # caches warm
        sections = {
            "Hearing an hour of speech": list(hours(options.minutes)),
            "Hearing a clip": list(clips(options.runs)),
        }
    for title, rows in sections.items():
        for row in rows:
            print(row, flush=True)
        if not options.dry:
            write_section(title, "python -m benchmarks.hearing", rows, LONG_RECORDINGS)


if __name__ == "__main__":
    main()
