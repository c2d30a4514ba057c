"""Windows as they might have sounded elsewhere, made on the log-mel itself.

Everything acts on Whisper's scale, where one unit is four powers of ten: 40 dB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speech_emotion.features.banks import mel_frequencies

Array = npt.NDArray[np.float32]
DB = 1 / 40
"""One decibel on this scale."""
RANGE = 2.0
"""Eight powers of ten, the scale's own limit below a window's maximum."""


def crop(window: Array, frames: int, random: np.random.Generator) -> Array:
    """`frames` frames of a window from a random one on, all of a shorter one."""
    start = random.integers(0, max(0, len(window) - frames) + 1)
    return window[start : start + frames]


@dataclass(frozen=True)
class Augmentation:
    """How often each change is made, and how far it goes at most."""

    tempo: float = 0.15
    """Change of speed, up or down."""
    warp: float = 0.1
    """Change of all frequencies, as of a longer or shorter vocal tract."""
    tilt_db: float = 4.0
    """Deviation of a smooth random frequency response, at four points."""
    level_db: float = 3.0
    """Change of level, as the level is only estimated."""
    noise_db: tuple[float, float] = (8.0, 35.0)
    """Level of steady noise below the window's mean level."""
    reverb_s: tuple[float, float] = (0.15, 0.6)
    """Time in which the room's sound falls by 60 dB."""
    cutoff: tuple[int, int] = (58, 76)
    """First band that a narrow channel leaves out (of 80 up to 8 kHz; 58 lies near 3.4 kHz)."""
    mask_bands: int = 8
    mask_frames: int = 24
    frame_s: float = 0.01
    often: float = 0.5
    """Share of windows with another tempo; the same for warp, tilt and masks, each by itself."""
    rarely: float = 0.25
    """Share of windows with noise; the same for reverberation and a narrow channel."""

    def __call__(self, window: Array, random: np.random.Generator) -> Array:
        """One changed copy of `[frames, bands]`, of the same shape."""
        changes = (self._tempo, self._warp, self._reverb, self._tilt, self.noise, self._narrow)
        shares = (self.often, self.often, self.rarely, self.often, self.rarely, self.rarely)
        for change, share in zip(changes, shares, strict=True):
            if random.random() < share:
                window = change(window, random)
        window = np.maximum(window, window.max() - RANGE) + random.uniform(-self.level_db, self.level_db) * DB
        if random.random() < self.often:
            window = self._mask(window, random)
        return np.asarray(window, np.float32)

    def _tempo(self, window: Array, random: np.random.Generator) -> Array:
        """Speed by up to `tempo`; what a faster window leaves empty is silence."""
        at = np.arange(len(window)) * random.uniform(1 - self.tempo, 1 + self.tempo)
        low = np.minimum(at.astype(int), len(window) - 1)
        high = np.minimum(low + 1, len(window) - 1)
        share = np.minimum(at - low, 1)[:, np.newaxis]
        faster = (1 - share) * window[low] + share * window[high]
        faster[at > len(window) - 1] = window.min()
        return np.asarray(faster, np.float32)

    def _warp(self, window: Array, random: np.random.Generator) -> Array:
        centres = mel_frequencies(window.shape[1], 0, 8_000)[1:-1]
        source = np.interp(centres * random.uniform(1 - self.warp, 1 + self.warp), centres, np.arange(len(centres)))
        low = np.minimum(source.astype(int), len(centres) - 2)
        return np.asarray((1 - (source - low)) * window[:, low] + (source - low) * window[:, low + 1], np.float32)

    def _tilt(self, window: Array, random: np.random.Generator) -> Array:
        bands = window.shape[1]
        points = random.normal(0, self.tilt_db * DB, 4)
        return np.asarray(window + np.interp(np.arange(bands), np.linspace(0, bands - 1, 4), points), np.float32)

    def noise(self, window: Array, random: np.random.Generator) -> Array:
        """Add steady noise, falling by up to 24 dB or rising by up to 12 from the lowest band to the highest.

        `[frames, bands]` to the same.
        """
        power = 10 ** (4 * window.astype(np.float64))
        slope = np.linspace(1, -1, window.shape[1]) * random.uniform(-6, 12) * DB
        level = np.log10(power.mean()) / 4 - random.uniform(*self.noise_db) * DB
        # A band averages a few bins of chi-squared power.
        noise = 10 ** (4 * (level + slope)) * random.gamma(3, 1 / 3, window.shape)
        return np.asarray(np.log10(power + noise) / 4, np.float32)

    def _reverb(self, window: Array, random: np.random.Generator) -> Array:
        """A tail of exponentially falling power behind every frame."""
        decay = 10 ** (-6 * self.frame_s / random.uniform(*self.reverb_s))
        share = random.uniform(0.05, 0.3)
        power = 10 ** (4 * window.astype(np.float64))
        tail = np.zeros(window.shape[1])
        for frame in power:
            tail = decay * (tail + share * frame)
            frame += tail
        return np.asarray(np.log10(power) / 4, np.float32)

    def _narrow(self, window: Array, random: np.random.Generator) -> Array:
        narrow = window.copy()
        narrow[:, random.integers(*self.cutoff) :] = window.min()
        return narrow

    def _mask(self, window: Array, random: np.random.Generator) -> Array:
        """SpecAugment (Park et al. 2019): one stripe of bands and one of frames at the window's mean."""
        masked = window.copy()
        for axis, most in ((1, self.mask_bands), (0, self.mask_frames)):
            width = random.integers(0, most + 1)
            start = random.integers(0, window.shape[axis] - width + 1)
            stripe = (slice(None),) * axis + (slice(start, start + width),)
            masked[stripe] = window.mean()
        return masked
