"""Sounds that are no speech, made from random numbers: mono float32 `[samples]`, peak 0.3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Sound = Callable[[int, int, np.random.Generator], Samples]
"""Number of samples, rate in Hz and random numbers to samples."""

PEAK = 0.3
SHAKES_HZ = (0.5, 3.0)
CHORDS_HZ = (1.0, 4.0)
TRIADS = ((0, 4, 7), (0, 3, 7), (0, 4, 9), (0, 5, 9))


def pink_noise(samples: int, random: np.random.Generator) -> Samples:
    """Noise whose power falls by 3 dB an octave, of power 1."""
    spectrum = np.fft.rfft(random.normal(size=samples))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise / np.sqrt(np.square(noise).mean()), np.float32)


def _silence(samples: int, _rate: int, _random: np.random.Generator) -> Samples:
    return np.zeros(samples, np.float32)


def _white(samples: int, _rate: int, random: np.random.Generator) -> Samples:
    return _scaled(random.normal(size=samples))


def _pink(samples: int, _rate: int, random: np.random.Generator) -> Samples:
    return _scaled(pink_noise(samples, random))


def _swelling(samples: int, rate: int, random: np.random.Generator) -> Samples:
    """Pink noise that comes and goes, as of waves or wind."""
    time = np.arange(samples) / rate
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * random.uniform(*SHAKES_HZ) * time)
    return _scaled(pink_noise(samples, random) * swell)


def _tone(samples: int, rate: int, random: np.random.Generator) -> Samples:
    return _scaled(np.sin(2 * np.pi * random.uniform(150, 2_000) * np.arange(samples) / rate))


def _chords(samples: int, rate: int, random: np.random.Generator) -> Samples:
    """Struck triads with falling harmonics in an even rhythm, as of a plain piano."""
    time = np.arange(samples) / rate
    beat_s = 1 / random.uniform(*CHORDS_HZ)
    sound = np.zeros(samples)
    for start in np.arange(0, samples / rate, beat_s):
        since = time - start
        struck = np.where(since >= 0, np.exp(-3 * np.maximum(since, 0)), 0)
        root_hz = 110 * 2 ** (random.integers(0, 24) / 12)
        for step in TRIADS[random.integers(len(TRIADS))]:
            for harmonic in range(1, 7):
                sound += struck * np.sin(2 * np.pi * harmonic * root_hz * 2 ** (step / 12) * since) / harmonic**1.5
    return _scaled(sound)


def _scaled(sound: npt.NDArray[np.floating]) -> Samples:
    return np.asarray(PEAK * sound / np.abs(sound).max(), np.float32)


SOUNDS: dict[str, Sound] = {
    "digital silence": _silence,
    "white noise": _white,
    "pink noise": _pink,
    "swelling noise": _swelling,
    "tone": _tone,
    "chords": _chords,
}
