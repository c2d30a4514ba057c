"""Sounds without speech to learn from, made from random numbers: noises, music and machines.

The sounds of `training_pipeline.robustness` are made by other code, but its swelling noise and chords are of the same
families: they test for other examples, not for other kinds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, lfilter

from speech_emotion.features import FeatureSpec, extract

Array = npt.NDArray[np.float64]
Random = np.random.Generator
SHORTEST = 0.25
"""Part of a window that a sound fills at least."""


def windows_without_speech(count: int, spec: FeatureSpec) -> npt.NDArray[np.float32]:
    """Features of `count` sounds, always the same ones, `[count, spec.frames, spec.bins]`."""
    windows = []
    for number in range(count):
        random = np.random.default_rng(number)
        samples = int(random.uniform(SHORTEST, 1) * spec.window_samples)
        windows.append(extract(not_speech(samples, spec.sample_rate, random), spec)[0])
    return np.stack(windows)


def not_speech(samples: int, rate: int, random: Random) -> npt.NDArray[np.float32]:
    """One sound, mono float32 `[samples]` in -1..1: one maker or two, coming and going, often in a room."""
    sound = np.zeros(samples)
    for _ in range(1 if random.random() < 0.6 else 2):
        made = _MAKERS[random.integers(len(_MAKERS))](samples, rate, random)
        sound += random.uniform(0.2, 1) * made * _envelope(samples, rate, random)
    if random.random() < 0.4:
        sound = _in_a_room(sound, rate, random)
    if random.random() < 0.7:
        sound = _scaled(sound) + 10 ** (random.uniform(-80, -25) / 20) * coloured_noise(samples, rate, random)
    return np.asarray(random.uniform(0.02, 0.9) * _scaled(sound), np.float32)


def coloured_noise(samples: int, rate: int, random: Random) -> Array:
    """Noise with a random smooth spectrum that falls by up to 9 dB an octave, or rises by 2; peak 1."""
    hz = np.fft.rfftfreq(samples, 1 / rate)
    pitch = np.log1p(hz / 700)
    points = random.integers(2, 12)
    curve_db = np.interp(pitch, np.linspace(0, pitch[-1], points), _walk(points, random.uniform(2, 12), random))
    slope_db = random.uniform(-9, 2) * np.log2(np.maximum(hz, 40) / 1000)
    return _scaled(np.fft.irfft(np.fft.rfft(random.normal(size=samples)) * 10 ** ((curve_db + slope_db) / 20), samples))


def music(samples: int, rate: int, random: Random) -> Array:
    """One to three voices of a random instrument, scale and rhythm each, with drums or without; peak 1."""
    sound = np.zeros(samples)
    for _ in range(random.integers(1, 4)):
        sound += random.uniform(0.2, 1) * _voice(samples, rate, random)
    sound = _scaled(sound)
    if random.random() < 0.5:
        struck = _strokes(samples, rate, random, most_per_s=8, decay=random.uniform(8, 60))
        sound += random.uniform(0.1, 1) * coloured_noise(samples, rate, random) * struck
    return _scaled(sound)


def machine(samples: int, rate: int, random: Random) -> Array:
    """A hum, a siren, some tones or clicks in a resonator; peak 1."""
    time = np.arange(samples) / rate
    kind = random.integers(4)
    if kind == 0:
        return _scaled(_note(samples, rate, random.uniform(30, 250), _timbre(random), random))
    if kind == 1:
        turn = np.sin(2 * np.pi * random.uniform(0.1, 6) * time + random.uniform(0, 2 * np.pi))
        turn = np.sign(turn) if random.random() < 0.5 else turn
        phase = 2 * np.pi * np.cumsum(random.uniform(200, 2_500) * 2 ** (random.uniform(0.05, 1.2) * turn)) / rate
        return _scaled(np.sin(phase) + random.uniform(0, 1) * np.sin(2 * phase))
    if kind == 2:
        tones = random.uniform(100, 4_000, random.integers(1, 4))
        return _scaled(np.sin(2 * np.pi * tones[:, np.newaxis] * time).sum(axis=0))
    clicks = np.zeros(samples)
    count = random.integers(1, 60)
    clicks[random.integers(0, samples, count)] = random.uniform(-1, 1, count)
    radius = np.exp(-np.pi * random.uniform(20, 800) / rate)
    turn = np.cos(2 * np.pi * random.uniform(150, 5_000) / rate)
    return _scaled(np.asarray(lfilter([1], [1, -2 * radius * turn, radius**2], clicks)))


_MAKERS: tuple[Callable[[int, int, Random], Array], ...] = (coloured_noise, music, machine)


def _envelope(samples: int, rate: int, random: Random) -> Array:
    """Loudness over time in 0..1: steady, waving, wandering, on and off, or struck."""
    time = np.arange(samples) / rate
    kind = random.integers(5)
    if kind == 0:
        return np.ones(samples)
    if kind == 1:
        waves = np.zeros(samples)
        for _ in range(random.integers(1, 5)):
            waves += random.uniform(0.2, 1) * np.sin(2 * np.pi * (random.uniform(0.2, 8) * time + random.random()))
        return np.asarray(((waves - waves.min()) / np.ptp(waves)) ** random.uniform(0.5, 3))
    if kind == 2:
        points = random.integers(6, 40)
        level_db = _walk(points, random.uniform(2, 10), random)
        level_db = np.maximum(level_db - level_db.max(), -60)
        return np.asarray(10 ** (np.interp(time, np.linspace(0, time[-1], points), level_db) / 20))
    if kind == 3:
        on = random.random(random.integers(3, 24)) < random.uniform(0.3, 0.8)
        on[random.integers(len(on))] = True
        return np.maximum(np.interp(time, np.linspace(0, time[-1], 8 * len(on)), np.repeat(on, 8)), 0.003)
    return _strokes(samples, rate, random, most_per_s=9, decay=random.uniform(2, 30))


def _strokes(samples: int, rate: int, random: Random, most_per_s: float, decay: float) -> Array:
    """Falling by `decay` nepers a second from each stroke on, of an uneven rhythm."""
    envelope = np.zeros(samples)
    period, unevenness, at = 1 / random.uniform(0.7, most_per_s), random.uniform(0, 0.6), random.uniform(0, 0.3)
    while at < samples / rate:
        start = int(at * rate)
        falling = random.uniform(0.3, 1) * np.exp(-decay * np.arange(samples - start) / rate)
        envelope[start:] = np.maximum(envelope[start:], falling)
        at += period * (1 + unevenness * random.uniform(-1, 1))
    return _scaled(envelope)


def _voice(samples: int, rate: int, random: Random) -> Array:
    """Notes of one instrument, one after another, some of them chords; peak 1."""
    sound = np.zeros(samples)
    timbre, scale = _timbre(random), random.choice(12, random.integers(3, 8), replace=False)
    root_hz, beat_s = 55 * 2 ** random.uniform(0, 4), 1 / random.uniform(0.7, 8)
    length, decay, attack_s = beat_s * random.uniform(0.3, 3), random.uniform(0.3, 12), random.uniform(0.002, 0.15)
    at = 0.0
    while at < samples / rate - 0.01:
        start = int(at * rate)
        end = min(samples, start + int(length * rate) + 64)
        since = np.arange(end - start) / rate
        loudness = np.exp(-decay * since) * np.minimum(since / attack_s, 1) * np.minimum(since[::-1] / 0.01, 1)
        for _ in range(random.integers(1, 4) if random.random() < 0.4 else 1):
            step = random.choice(scale) + 12 * random.integers(0, 2)
            sound[start:end] += loudness * _note(end - start, rate, root_hz * 2 ** (step / 12), timbre, random)
        at += beat_s * random.choice([0.5, 1, 1, 1, 2])
    return _scaled(sound)


def _timbre(random: Random) -> Array:
    """Amplitudes of the harmonics, the first not the least; a few instruments have only the odd ones."""
    order = np.arange(1, random.integers(2, 30))
    amplitudes = random.random(order.size) ** random.uniform(1, 4) / order ** random.uniform(0, 2)
    amplitudes[0] = max(amplitudes[0], 0.2)
    if random.random() < 0.3:
        amplitudes[1::2] = 0
    return amplitudes


def _note(samples: int, rate: int, hz: float, timbre: Array, random: Random) -> Array:
    """A tone below half the rate, some with vibrato, a few gliding by up to an octave."""
    time = np.arange(samples) / rate
    octaves = np.zeros(samples)
    if random.random() < 0.4:
        octaves += random.uniform(0, 0.012) * np.sin(2 * np.pi * random.uniform(3, 8) * time)
    if random.random() < 0.1:
        octaves += random.uniform(-1, 1) * time / max(time[-1], 1 / rate)
    phase = 2 * np.pi * np.cumsum(hz * 2**octaves) / rate
    audible = timbre[: max(1, int(rate / 4 / hz))]
    return np.asarray(sum(a * np.sin(n * phase + n) for n, a in enumerate(audible, 1)))


def _in_a_room(sound: Array, rate: int, random: Random) -> Array:
    tail = random.normal(size=int(random.uniform(0.1, 0.6) * rate))
    tail *= np.exp(-6.9 * np.arange(tail.size) / tail.size)
    tail *= random.uniform(0.1, 1) / np.sqrt(np.square(tail).sum())
    tail[0] += 1
    return np.asarray(fftconvolve(sound, tail)[: sound.size])


def _walk(points: int | np.signedinteger, step: float, random: Random) -> Array:
    return np.cumsum(random.normal(0, step, points))


def _scaled(sound: Array) -> Array:
    return np.asarray(sound / max(np.abs(sound).max(), 1e-9))
