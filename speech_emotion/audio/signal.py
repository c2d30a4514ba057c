"""Samples to the one channel and the one rate that a feature specification asks for."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr
from scipy.fft import rfft

from speech_emotion.audio.levels import band_bins

Samples = npt.NDArray[np.float32]
Resampler = Literal["soxr_hq", "soxr_vhq"]
_QUALITY = {"soxr_hq": "HQ", "soxr_vhq": "VHQ"}

FAR_BELOW = 0.1
"""The mean is lost if its power is under this share (-10 dB) of the strongest channel's: most channels are silent."""
OPPOSED = 0.4
"""Or under this share of the power that the mean of channels with nothing in common has: they cancel. Of two equal
channels that is a correlation of -0.6."""
RETURN = 2.0
"""The mean comes back at this many times these shares, so that nothing changes to and fro."""
SEGMENT_S = 0.5
"""Whether channels cancel is looked at this often."""
REMEMBERED = 0.05
"""What a segment's power counts for in the next one: little enough to hear a change at once, and a pause between
words changes nothing."""
FADE_S = 0.01
"""One mixture changes to another within this time, without a click."""


def prepare(samples: Samples, sample_rate: int, target_rate: int, resampler: Resampler = "soxr_hq") -> Samples:
    """One channel at one rate: all of what `Preparer` gives for `samples`, float32 `[channels, samples]`."""
    preparer = Preparer(sample_rate, len(samples), target_rate, resampler)
    return np.concatenate([preparer.add(samples), preparer.end()])


class Preparer:
    """One channel at one rate, as samples come.

    Parameters
    ----------
    sample_rate, target_rate : int
        Hz of the samples, and Hz wanted.
    channels : int
        Channels of each block.
    resampler : `soxr_hq` or `soxr_vhq`
        libsoxr's quality: a pass band of 20 or 28 bits, linear phase, no delay; `soxr_hq` is librosa's default.

    What `add` and `end` give makes up float32 `[samples * target_rate / sample_rate]`, give or take one: what `Mixer`
    gives, resampled; with equal rates the mixture itself. No bit of it depends on where the samples were cut.
    """

    def __init__(self, sample_rate: int, channels: int, target_rate: int, resampler: Resampler = "soxr_hq") -> None:
        self._mixer = Mixer(sample_rate, channels)
        quality = _QUALITY[resampler]
        self._stream = sample_rate != target_rate and soxr.ResampleStream(sample_rate, target_rate, 1, quality=quality)

    def add(self, block: Samples) -> Samples:
        """What is known once `block`, `[channels, samples]`, is heard; libsoxr is up to 0.1 s behind."""
        return self._resample(self._mixer.add(block), last=False)

    def end(self) -> Samples:
        """The rest."""
        return self._resample(self._mixer.end(), last=True)

    def _resample(self, mono: Samples, last: bool) -> Samples:
        mono = np.ascontiguousarray(mono, np.float32)
        return np.asarray(self._stream.resample_chunk(mono, last)) if self._stream else mono


def mix_down(samples: Samples, sample_rate: int) -> Samples:
    """All of what `Mixer` gives for `samples`, float32 `[channels, samples]`."""
    mixer = Mixer(sample_rate, len(samples))
    return np.concatenate([mixer.add(samples), mixer.end()])


class Mixer:
    """The mean of the channels, or the strongest one where they cancel in the mean, as samples come.

    Parameters
    ----------
    sample_rate : int
        Hz of the samples.
    channels : int
        Channels of each block; a single one is not held back.

    What `add` and `end` give makes up float32 `[samples]`: `sum(samples[c]) / channels`; where this has lost the
    speech, by its power between 200 and 4000 Hz, the channel that has the most power there.

    Channels cancel where one is the other upside down (a wrong cable, a phone's second microphone), and most of eight
    channels may be silent. Segments of half a second are judged by their own power and what is remembered of that
    before them, so what follows changes nothing. Channels that do not cancel have their mean, bit for bit.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._size = max(1, round(SEGMENT_S * sample_rate))
        self._waiting: list[Samples] = [np.empty((channels, 0), np.float32)]
        self._count = 0
        self._mean = channels
        self._power = np.zeros(channels + 1)
        self._chosen: int | None = None

    def add(self, block: Samples) -> Samples:
        """The mixture of the segments that are whole with `block`, `[channels, samples]`."""
        if self._mean == 1:
            return np.asarray(block[0])
        self._waiting.append(block)
        self._count += block.shape[1]
        return self._mix(self._count - self._count % self._size)

    def end(self) -> Samples:
        """The mixture of what is left."""
        return self._mix(self._count)

    def _mix(self, samples: int) -> Samples:
        """The mixture of the next samples, so many, a segment at a time."""
        if not samples:
            return np.empty(0, np.float32)
        waiting = np.concatenate(self._waiting, axis=1)
        mixed = [self._segment(waiting[:, n : min(n + self._size, samples)]) for n in range(0, samples, self._size)]
        self._waiting = [waiting[:, samples:].copy()]
        self._count -= samples
        return np.concatenate(mixed)

    def _segment(self, segment: Samples) -> Samples:
        self._power = REMEMBERED * self._power + _band_energy(segment, self._rate)
        last, self._chosen = self._chosen, _choose(self._power, self._mean if self._chosen is None else self._chosen)
        mixed = self._source(segment, self._chosen)
        if last is None or last == self._chosen:
            return mixed
        fade = round(FADE_S * self._rate)
        begun = segment[:, :fade]
        faded = _crossfade(self._source(begun, last), self._source(begun, self._chosen))
        return np.concatenate([faded, mixed[fade:]])

    def _source(self, segment: Samples, chosen: int) -> Samples:
        return np.asarray(segment.mean(axis=0, dtype=np.float32) if chosen == self._mean else segment[chosen])


def _choose(power: npt.NDArray[np.float64], chosen: int) -> int:
    """Index of what is to be heard, of `power` `[channels + 1]`, the mean last: no change without need."""
    mean = power.size - 1
    strongest = int(power[:mean].argmax())
    least = max(FAR_BELOW * power[strongest], OPPOSED * power[:mean].sum() / mean**2)
    if power[mean] >= (least if chosen == mean else RETURN * least):
        return mean
    return chosen if chosen != mean and power[chosen] >= 0.5 * power[strongest] else strongest


def _band_energy(segment: Samples, sample_rate: int) -> npt.NDArray[np.float64]:
    """Energy in the band of speech, by Parseval's theorem, of each channel and of their mean: `[channels + 1]`."""
    spectrum = rfft(segment)[:, band_bins(segment.shape[1], sample_rate)]
    spectra = np.concatenate([spectrum, spectrum.mean(axis=0, keepdims=True)])
    return np.asarray(2 * np.square(np.abs(spectra), dtype=np.float64).sum(axis=1) / segment.shape[1])


def _crossfade(before: Samples, after: Samples) -> Samples:
    gain = np.linspace(0, 1, after.size, dtype=np.float32)
    return np.asarray(before * (1 - gain) + after * gain)
