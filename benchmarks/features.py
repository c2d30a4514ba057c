"""What features cost beside the way most projects write them, and beside the bare kernels.

`python -m benchmarks features` runs it. Every way starts from the bytes of a 48 kHz WAV and ends with a model's input.
The ways take turns, on one thread; what is measured is CPU time. The naive way and ours have to give the same numbers,
within 1e-4.
"""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from threadpoolctl import threadpool_limits

from benchmarks import uploads
from benchmarks.results import Goal, Plot, Row, Section, Spread
from benchmarks.suite import Options
from speech_emotion.audio import Limits, QualityLimits, decode, load
from speech_emotion.audio.signal import Preparer
from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, FeatureSpec, Windows, extract
from speech_emotion.features.banks import analysis_window, chroma_bank, cosine_transform, mel_bank
from speech_emotion.hearing import Listener, hear, spoken_features

Array = npt.NDArray[np.float32]
RATE = 16_000
LENGTHS_S = (1, 3, 10, 60)
SECONDS_A_ROW = 20.0
"""Of naive CPU time, in a full run."""
LIMITS = Limits()
MINUTES = 60


@dataclass(frozen=True)
class Case:
    """One kind of features, and the three ways to it from a clip's bytes."""

    name: str
    spec: FeatureSpec
    naive: Callable[[bytes], Array]
    bare: Callable[[bytes], object]
    least: float
    """How many times cheaper than the naive way ours should be."""

    def ours(self, clip: bytes) -> Array:
        """Features of every window."""
        return extract(load(clip, RATE, LIMITS), self.spec)

    def heard(self, clip: bytes) -> Array:
        """As the gateway does it: speech is looked for, and its windows alone have features."""
        samples, info = decode(clip, LIMITS)
        return spoken_features(hear(samples, info, self.spec, QualityLimits()), self.spec)


def measure(options: Options) -> list[Section]:
    """A row for each kind of features and each length."""
    rows: list[Row] = []
    goals: list[Goal] = []
    with uploads.clips() as paths, threadpool_limits(1):
        clips = [Path(path).read_bytes() for path in paths]
        speech = np.concatenate([_pcm(clip)[0][:, 0] for clip in clips])
        lengths = {f"{seconds} s": [_wav(speech, seconds)] for seconds in LENGTHS_S}
        for case in CASES:
            found = [_row(case, name, each, options.effort) for name, each in lengths.items()]
            found.append(_row(case, f"{len(clips)} recordings, each", clips, options.effort))
            found.append(_hour(case, lengths["60 s"][0]))
            rows += found
            goals.append(_goal(f"{case.name}: naive to ours, the closest", found, "naive : ours", min, case.least))
            goals.append(_goal(f"{case.name}: ours to bare kernels, the dearest", found, "ours : bare", max, 1.5))
    about = (
        "CPU time in ms from the bytes of a WAV (48 kHz, 16 bits) to a model's input, on one thread, in turns. "
        "*naive*: `librosa.load`, then one call of librosa for each feature (`mfcc`, `chroma_stft`, `melspectrogram`), "
        "or its `stft` and `melspectrogram` for Whisper's log-mel. *ours* gives the same numbers within 1e-4; *with "
        "speech detection* is what the gateway does. *bare*: decoding, resampling, window, transform, power and matrix "
        "products alone, by numpy, SciPy and soxr. The naive way and the bare kernels take the hour minute by minute, "
        "as all of it at once would fill gigabytes; ours hears one recording."
    )
    plot = Plot(group="features", bar="audio", value="naive : ours")
    return [Section(title="Features", about=about, rows=rows, goals=goals, plot=plot)]


def _row(case: Case, audio: str, clips: list[bytes], effort: float) -> Row:
    for clip in clips:
        assert_equal(case.ours(clip), case.naive(clip))
    ways = (case.naive, case.ours, case.heard, case.bare)
    begun = time.process_time()
    case.naive(clips[0])
    repeats = max(3, min(100, round(effort * SECONDS_A_ROW / 10 / len(clips) / (time.process_time() - begun))))
    return _columns(case, audio, list(taken(repeats, clips, *ways)))


def _hour(case: Case, minute: bytes) -> Row:
    def ours(minute: bytes) -> None:
        preparer, windows = Preparer(uploads.RATE, 1, RATE), Windows(case.spec)
        for _ in range(MINUTES):
            samples, _ = decode(minute, LIMITS)
            for window in windows.add(preparer.add(samples)):
                windows.features(window)

    def heard(minute: bytes) -> None:
        listener = Listener(uploads.RATE, 1, case.spec, QualityLimits())
        for _ in range(MINUTES):
            samples, _ = decode(minute, LIMITS)
            listener.hear(samples)

    def repeated(way: Callable[[bytes], object]) -> Callable[[bytes], object]:
        return lambda clip: [way(clip) for _ in range(MINUTES)]

    ways = (repeated(case.naive), ours, heard, repeated(case.bare))
    return _columns(case, "an hour", list(taken(1, [minute], *ways)))


def taken(repeats: int, clips: list[bytes], *ways: Callable[[bytes], object]) -> Iterator[list[float]]:
    """CPU milliseconds of each way, for each clip and repeat, by turns in a random order.

    A way that runs after one that has filled the processor's caches is slower; a random order spreads this over all.
    """
    random = np.random.default_rng(0)
    for _ in range(repeats):
        for clip in clips:
            times = [0.0] * len(ways)
            for number in random.permutation(len(ways)):
                begun = time.process_time()
                ways[number](clip)
                times[number] = 1_000 * (time.process_time() - begun)
            yield times


def _columns(case: Case, audio: str, times: list[list[float]]) -> Row:
    naive, ours, heard, bare = (Spread.of(way) for way in zip(*times, strict=True))
    return {
        "features": case.name,
        "audio": audio,
        "naive": naive,
        "ours": ours,
        "with speech detection": heard,
        "bare": bare,
        "naive : ours": naive.median / ours.median,
        "ours : bare": ours.median / bare.median,
        "with speech detection : bare": heard.median / bare.median,
    }


def _goal(name: str, rows: list[Row], column: str, worst: Callable[[list[float]], float], limit: float) -> Goal:
    value = worst([float(str(row[column])) for row in rows])
    return Goal(name=name, value=value, bound="at least" if worst is min else "at most", limit=limit)


def assert_equal(ours: Array, naive: Array) -> None:
    """Raises AssertionError where the two differ by more than 1e-4 of a value, or of 1."""
    np.testing.assert_allclose(ours, naive, rtol=1e-4, atol=1e-4)


def naive_means(clip: bytes) -> Array:
    """`ann`: means over each window of 40 MFCC, 12 chroma and 128 mel values, `[windows, 1, 180]`."""
    samples, _ = librosa.load(io.BytesIO(clip), sr=RATE)
    cepstral = librosa.feature.melspectrogram(y=samples, sr=RATE)
    chroma = librosa.feature.chroma_stft(S=np.abs(librosa.stft(samples)), sr=RATE, tuning=0.0)
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE)
    rows = []
    for part in _windows(mel.shape[1], SEED_SPEC):
        mfcc = librosa.feature.mfcc(S=librosa.power_to_db(cepstral[:, part]), n_mfcc=40)
        rows.append(np.concatenate([each.mean(axis=1) for each in (mfcc, chroma[:, part], mel[:, part])]))
    return np.asarray(rows)[:, np.newaxis]


def naive_log_mel(clip: bytes) -> Array:
    """`edge` and the large models: Whisper's log-mel of each window of 4 s, level removed, `[windows, 401, 80]`."""
    samples, _ = librosa.load(io.BytesIO(clip), sr=RATE)
    samples = librosa.util.fix_length(samples, size=max(len(samples), 4 * RATE))
    power = np.abs(librosa.stft(samples, n_fft=400, hop_length=160, pad_mode="reflect")) ** 2
    rows = []
    for part in _windows(power.shape[1], WHISPER_SPEC):
        mel = librosa.feature.melspectrogram(S=power[:, part], sr=RATE, n_fft=400, n_mels=80)
        loud = (2 * power[1:-1, part].sum(axis=0) + power[-1, part]) / (400 * 150)  # 150: the window's energy
        level = loud[loud >= loud.max() * 1e-4].mean() or 1.0
        log = np.log10(np.maximum(mel / level, 1e-10))
        rows.append((np.maximum(log, log.max() - 8) + 4).T / 4)
    return np.asarray(rows, np.float32)


def _windows(frames: int, spec: FeatureSpec) -> Iterator[slice]:
    last = max(0, frames - spec.window_frames)
    return (slice(first, first + spec.window_frames) for first in [*range(0, last, spec.stride_frames), last])


class Bare:
    """The kernels alone: a clip's bytes to its power spectrum and products, without windows, level or logarithm."""

    def __init__(self, spec: FeatureSpec, products: Callable[[Array], object]) -> None:
        self._spec = spec
        self._window = analysis_window(spec.window, spec.win_length)
        self._products = products
        self._power: Array = np.empty((0, 1 + spec.n_fft // 2), np.float32)

    def __call__(self, clip: bytes) -> object:
        """Make the products, whatever they are."""
        pcm, rate = _pcm(clip)
        decoded = pcm.astype(np.float32) / np.float32(32_768)
        samples = soxr.resample(decoded.mean(axis=1) if decoded.shape[1] > 1 else decoded[:, 0], rate, RATE)
        spec = self._spec
        whole = max(samples.size, spec.window_samples if spec.padding == "zeros" else 0)
        padded = np.zeros(whole + spec.n_fft, np.float32)
        padded[spec.n_fft // 2 : spec.n_fft // 2 + samples.size] = samples
        frames = sliding_window_view(padded, spec.n_fft)[:: spec.hop_length]
        if len(self._power) < len(frames):
            self._power = np.empty((len(frames), 1 + spec.n_fft // 2), np.float32)
        power = self._power[: len(frames)]
        at_once = max(1, 2**18 // spec.n_fft)
        for first in range(0, len(frames), at_once):
            part = slice(first, first + at_once)
            transform = rfft(frames[part] * self._window, overwrite_x=True)
            np.square(transform.real, out=power[part])
            power[part] += np.square(transform.imag)
        return self._products(power)


def _means_products(power: Array) -> object:
    mel = power @ mel_bank(RATE, 2_048, 128, 0.0, None).T
    return np.sqrt(power) @ chroma_bank(RATE, 2_048, 12, 0.0).T, mel, mel @ cosine_transform(40, 128).T


def _log_mel_products(power: Array) -> object:
    return power @ mel_bank(RATE, 400, 80, 0.0, None).T


CASES = (
    Case("means of MFCC, chroma and mel (`ann`)", SEED_SPEC, naive_means, Bare(SEED_SPEC, _means_products), 5),
    Case("`whisper_log_mel`", WHISPER_SPEC, naive_log_mel, Bare(WHISPER_SPEC, _log_mel_products), 2),
)


def _pcm(clip: bytes) -> tuple[npt.NDArray[np.int16], int]:
    """Samples of 16 bits, `[samples, channels]`, and their rate."""
    with wave.open(io.BytesIO(clip)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return pcm.reshape(-1, file.getnchannels()), file.getframerate()


def _wav(speech: npt.NDArray[np.int16], seconds: int) -> bytes:
    """So many seconds of recordings one after the other, from the start again where they end."""
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setparams((1, 2, uploads.RATE, 0, "NONE", ""))
        file.writeframes(np.resize(speech, seconds * uploads.RATE).tobytes())
    return output.getvalue()
