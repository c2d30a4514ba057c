"""However samples are cut into blocks, what is heard is what is heard of all of them at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from threadpoolctl import threadpool_limits

from speech_emotion.audio import AudioInfo, QualityLimits
from speech_emotion.audio.signal import mix_down
from speech_emotion.errors import EmptyAudioError, StrideError
from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, Block, Chroma, FeatureSpec, Mel, Mfcc, WhisperLogMel
from speech_emotion.hearing import HeardWindow, Listener, hear, hear_channels, spoken_features, with_stride
from tests.support.whole_clip import cut, resampled, whole_clip
from training_pipeline.data.synthetic import voice

Array = npt.NDArray[np.float32]
LIMITS = QualityLimits()
RATES = (8_000, 11_025, 16_000, 22_050, 44_056, 44_100, 48_000, 96_001, 192_000)
BLOCKS: tuple[Block, ...] = (
    Mfcc(n_mfcc=8, n_mels=16),
    Chroma(),
    Mel(n_mels=16),
    Mel(n_mels=16, scale="db"),
    WhisperLogMel(n_mels=16),
    WhisperLogMel(n_mels=16, level="rms"),
)
SPEECH = np.asarray(voice(12.0, 180.0, 0.04, seed=1), np.float64)


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread() -> Iterator[None]:
    """As in the gateway: with several, small products wait for a free core."""
    with threadpool_limits(1, user_api="blas"):
        yield


def some_spec(random: np.random.Generator) -> FeatureSpec:
    if random.random() < 0.2:
        return SEED_SPEC if random.random() < 0.5 else WHISPER_SPEC
    n_fft = int(random.choice([129, 400, 401, 512, 1_023, 2_048]))
    window_s = float(random.choice([0.1, 0.25, 0.53, 1.0]))
    aggregate = str(random.choice(["none", "mean", "mean_std"]))
    fields = {
        "sample_rate": int(random.choice([8_000, 16_000, 22_050])),
        "resampler": str(random.choice(["soxr_hq", "soxr_vhq"])),
        "n_fft": n_fft,
        "win_length": int(random.integers(65, n_fft + 1)),
        "hop_length": int(random.choice([50, 160, 200, 333, 512, 2_048])),
        "window": str(random.choice(["hann", "hamming"])),
        "pad_mode": str(random.choice(["constant", "reflect"])),
        "window_s": window_s,
        "stride_s": window_s * float(random.choice([0.5, 0.77, 1.0])),
        "aggregate": aggregate,
        "padding": "zeros" if aggregate == "none" else str(random.choice(["zeros", "none"])),
        "blocks": tuple(BLOCKS[n] for n in random.integers(0, len(BLOCKS), random.integers(1, 3))),
    }
    return FeatureSpec.model_validate(fields)


def some_samples(random: np.random.Generator, spec: FeatureSpec, rate: int) -> Array:
    """Float32 `[channels, samples]`: hardly a sample, what a window's edge lies in, or more windows than one."""
    channels = int(random.integers(1, 4))
    edge_s = random.choice([0.0, spec.n_fft / spec.sample_rate, spec.window_s, spec.window_s + spec.stride_s])
    more = random.integers(-3, 4) if random.random() < 0.4 else random.integers(0, round(2 * spec.window_s * rate))
    samples = max(-(-rate // spec.sample_rate), round(edge_s * rate) + int(more))
    sound = np.interp(random.integers(0, 60_000) + np.arange(samples) * 16_000 / rate, np.arange(SPEECH.size), SPEECH)
    sound[round(samples * random.uniform(0.2, 2)) :] = 0.0
    gains = random.choice([1.0, 0.3, -1.0, 0.001, 20.0], channels)
    return np.asarray([np.clip(gain * sound, -1, 1) for gain in gains], np.float32)


def listened(listener: Listener, blocks: list[Array]) -> list[HeardWindow]:
    return [window for block in blocks for window in listener.hear(block)] + listener.end()


def assert_heard_as_the_whole_clip(samples: Array, rate: int, spec: FeatureSpec, cuts: list[int]) -> None:
    listener = Listener(rate, len(samples), spec, LIMITS)
    heard = listened(listener, cut(samples, cuts))
    whole = whole_clip(resampled(mix_down(samples, rate), rate, spec), spec, LIMITS)
    for window, expected in zip(heard, whole, strict=True):
        # Resampled, a clip may be longer or shorter by part of a sample.
        end_s = listener.heard_s if expected is whole[-1] else min(expected.end_s, listener.heard_s)
        assert (window.start_s, window.end_s) == (min(expected.start_s, listener.heard_s), end_s)
        assert window.level_dbfs == expected.level_dbfs
        assert (window.features is None) == (window.level_dbfs is None)
        if window.features is not None:
            assert window.features.shape == (spec.frames, spec.bins)
            np.testing.assert_allclose(window.features, expected.features, rtol=1e-4, atol=1e-4)
    assert listener.heard_s == samples.shape[1] / rate
    clip = hear(samples, AudioInfo("WAV", "PCM_16", rate, *samples.shape), spec, LIMITS)
    assert listener.warnings == clip.warnings
    for window, same in zip(heard, clip.windows, strict=True):
        if window.features is not None:
            np.testing.assert_allclose(window.features, same.features, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(150))
def test_however_samples_are_cut_the_windows_are_those_of_the_whole_clip(seed: int) -> None:
    random = np.random.default_rng(seed)
    spec, rate = some_spec(random), int(random.choice(RATES))
    samples = some_samples(random, spec, rate)
    cuts = random.integers(0, samples.shape[1] + 1, random.integers(0, 20)).tolist()
    assert_heard_as_the_whole_clip(samples, rate, spec, [*cuts, *cuts[:3]])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_fft", [129, 400])
def test_columns_may_be_so_far_apart_that_samples_lie_in_none(n_fft: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    spec = FeatureSpec(n_fft=n_fft, win_length=n_fft, hop_length=2_048, window_s=1.0, stride_s=0.5, blocks=BLOCKS[:1])
    samples = np.asarray(SPEECH[: random.integers(20_000, 90_000)], np.float32)[np.newaxis]
    assert_heard_as_the_whole_clip(samples, 16_000, spec, random.integers(0, samples.size, 6).tolist())


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 11_025])
def test_single_samples_and_empty_blocks_make_the_same_windows(rate: int, channels: int) -> None:
    spec = WHISPER_SPEC.model_copy(update={"window_s": 0.5, "stride_s": 0.25})
    samples = np.asarray(np.tile(SPEECH[: int(1.3 * rate)], (channels, 1)), np.float32)
    every = cut(samples, list(range(samples.shape[1])) * 2)
    whole = hear(samples, AudioInfo("WAV", "PCM_16", rate, *samples.shape), spec, LIMITS)
    heard = listened(Listener(rate, channels, spec, LIMITS), every)
    assert [(window.start_s, window.end_s, window.level_dbfs) for window in heard] == [
        (window.start_s, window.end_s, window.level_dbfs) for window in whole.windows
    ]
    features = np.stack([window.features for window in heard if window.features is not None])
    np.testing.assert_allclose(features, spoken_features(whole, spec), atol=1e-5)
    assert len(features) > 1


@pytest.mark.parametrize("spec", [WHISPER_SPEC, with_stride(WHISPER_SPEC, 0.5), SEED_SPEC])
def test_a_window_is_given_half_a_transform_after_its_end(spec: FeatureSpec) -> None:
    listener = Listener(spec.sample_rate, 1, spec, LIMITS)
    lags = []
    for block in np.array_split(np.asarray(np.tile(SPEECH, 2), np.float32)[np.newaxis], 2_400, axis=1):
        lags += [listener.heard_s - window.end_s for window in listener.hear(block)]
    assert len(lags) > 3
    assert min(lags) >= 0
    # A block of 10 ms more, and the column beyond the window that tells that it is not the last.
    assert max(lags) <= 0.01 + max(spec.n_fft / 2, spec.hop_length) / spec.sample_rate


def test_what_follows_changes_no_window_that_was_given() -> None:
    said = np.asarray(SPEECH, np.float32)[np.newaxis]
    ways = [Listener(16_000, 1, WHISPER_SPEC, LIMITS) for _ in range(2)]
    first, second = (way.hear(said) for way in ways)
    ways[0].hear(np.zeros_like(said))
    ways[1].hear(-0.5 * said)
    assert len(first) == 4
    for window, same in zip(first, second, strict=True):
        np.testing.assert_array_equal(window.features, same.features)


def test_separate_channels_are_heard_as_if_each_were_alone() -> None:
    samples = np.asarray([SPEECH, np.zeros_like(SPEECH)], np.float32)
    info = AudioInfo("WAV", "PCM_16", 16_000, *samples.shape)
    speaking, silent = hear_channels(samples, info, WHISPER_SPEC, LIMITS)
    assert speaking.speech.all()
    assert not silent.speech.any()
    assert spoken_features(silent, WHISPER_SPEC).shape == (0, WHISPER_SPEC.frames, WHISPER_SPEC.bins)
    assert silent.warnings == ("very_quiet",)


def test_warnings_are_those_of_what_was_heard_so_far() -> None:
    listener = Listener(8_000, 1, WHISPER_SPEC, LIMITS)
    assert listener.warnings == ()
    listener.hear(np.full((1, 8_000), 1e-5, np.float32))
    assert listener.warnings == ("very_quiet", "low_sample_rate")
    listener.hear(np.asarray(np.clip(20 * SPEECH[:80_000], -1, 1), np.float32)[np.newaxis])
    assert listener.warnings == ("clipped", "low_sample_rate")


def test_no_samples_are_refused_at_the_end() -> None:
    listener = Listener(16_000, 2, WHISPER_SPEC, LIMITS)
    assert listener.hear(np.empty((2, 0), np.float32)) == []
    with pytest.raises(EmptyAudioError):
        listener.end()


@pytest.mark.parametrize("stride_s", [0.1, 0.5, 4.0])
def test_another_stride_makes_the_windows_that_it_always_made(stride_s: float) -> None:
    spec = with_stride(WHISPER_SPEC, stride_s)
    samples = np.asarray(SPEECH, np.float32)[np.newaxis]
    heard = listened(Listener(16_000, 1, spec, LIMITS), cut(samples, [7_000, 90_000]))
    assert np.diff([window.start_s for window in heard])[:-1] == pytest.approx(stride_s)
    usual = hear(samples, AudioInfo("WAV", "PCM_16", 16_000, *samples.shape), WHISPER_SPEC, LIMITS)
    np.testing.assert_array_equal(heard[0].features, usual.windows[0].features)


@pytest.mark.parametrize(
    ("stride_s", "reason"),
    [(4.1, "exceeds window_s"), (0.05, "values for a second"), (0.0, "greater than"), (float("nan"), "")],
)
def test_a_stride_that_leaves_audio_out_or_asks_for_too_much_is_refused(stride_s: float, reason: str) -> None:
    with pytest.raises(StrideError, match=f"windows cannot start every {stride_s:g} s: .*{reason}"):
        with_stride(WHISPER_SPEC, stride_s)


COARSE = WHISPER_SPEC.model_copy(update={"hop_length": 640, "stride_s": 4.0, "blocks": (Mel(n_mels=16),)})


@pytest.mark.parametrize(
    ("rate", "channels", "loud", "minutes"), [(16_000, 1, True, 30), (16_000, 1, False, 30), (24_000, 2, True, 10)]
)
def test_half_an_hour_takes_the_memory_of_a_window(rate: int, channels: int, loud: bool, minutes: int) -> None:
    """Silent windows, whose features are never made, are forgotten as well."""
    block = np.tile(np.asarray(loud * SPEECH[: 2 * rate], np.float32), (channels, 1))
    listener = Listener(rate, channels, COARSE, LIMITS)
    tracemalloc.start()
    try:
        windows = sum(len(listener.hear(block)) for _ in range(30))
        _, early = tracemalloc.get_traced_memory()
        windows += sum(len(listener.hear(block)) for _ in range(30 * (minutes - 1)))
        _, late = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert windows == pytest.approx(15 * minutes, abs=2)
    assert late - early < 0.1 * 2**20
    assert late < 5 * 2**20


def test_a_block_of_any_length_takes_the_memory_of_a_piece() -> None:
    listener = Listener(16_000, 1, COARSE, LIMITS)
    block = np.tile(np.asarray(SPEECH, np.float32), (1, 150))
    tracemalloc.start()
    try:
        windows = listener.hear(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(windows) == pytest.approx(450, abs=1)
    assert peak < block.nbytes / 4
