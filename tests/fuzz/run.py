"""`python -m tests.fuzz.run --inputs 100000`: the long fuzz of the decoders, and what came of it as JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from collections import Counter
from pathlib import Path

import numpy as np

from speech_emotion.audio import NO_HINTS, DecoderOptions, DecoderPool, Hints, Limits, Raw
from speech_emotion.audio.limits import tolerance_s
from speech_emotion.errors import AudioError, SpeechEmotionError
from tests.fuzz.mutations import NAMES, RAW, mutate

LIMITS = Limits(max_duration_s=10, max_decoded_samples=1_000_000)
OPTIONS = DecoderOptions(LIMITS, cpu_s=5)
FAULTS = ("decoder_failed", "deadline_exceeded", "overloaded")


def hints_of(name: str, number: int) -> Hints:
    """What a sender says beside a file made of this seed: what samples without a header are, now and then a track."""
    return Hints(
        track=number % 3 or None if name == "two tracks" else None, raw=RAW.get(name) and Raw(RAW[name], 8_000)
    )


def judge(pool: DecoderPool, data: bytes, deadline: float, hints: Hints = NO_HINTS) -> str:
    """`samples` or the code of the AudioError; any other outcome is an exception."""
    try:
        samples, info = pool.decode(data, deadline, hints)
    except AudioError as error:
        return error.code
    assert samples.dtype == np.float32
    assert samples.shape == (info.channels, info.frames)
    assert 0 < samples.size <= LIMITS.max_decoded_samples
    assert info.duration_s <= LIMITS.max_duration_s + tolerance_s(info)
    assert np.isfinite(samples).all()
    return "samples"


def run(inputs: int, seed: int, seconds: float, faults: Path) -> dict[str, object]:
    """Judge `inputs` mutated files or as many as fit in `seconds`; those that broke a decoder are kept in `faults`."""
    outcomes: Counter[str] = Counter()
    slowest, begun = 0.0, time.monotonic()
    with DecoderPool(1, OPTIONS) as pool:
        for index in range(inputs):
            started = time.monotonic()
            if started - begun > seconds:
                break
            name = NAMES[index % len(NAMES)]
            data = mutate(np.random.default_rng((seed, index)), name)
            try:
                outcome = judge(pool, data, started + 60, hints_of(name, index))
            except (SpeechEmotionError, AssertionError) as error:
                outcome = getattr(error, "code", "broken_promise")
            if outcome in (*FAULTS, "broken_promise"):
                faults.mkdir(parents=True, exist_ok=True)
                (faults / f"{outcome}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            outcomes[outcome] += 1
            slowest = max(slowest, time.monotonic() - started)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "seed": seed,
        "inputs": sum(outcomes.values()),
        "outcomes": dict(outcomes.most_common()),
        "slowest_s": round(slowest, 2),
        "wall_s": round(time.monotonic() - begun, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--faults", type=Path, default=Path("reports/fuzz"))
    options = parser.parse_args()
    print(json.dumps(run(options.inputs, options.seed, options.seconds, options.faults), indent=2))


if __name__ == "__main__":
    main()
