"""Samples to the one channel and the one rate that a feature specification asks for."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr

from speech_emotion.audio.activity import BAND_HZ

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
    """One channel at one rate.

    Parameters
    ----------
    samples : float32 `[channels, samples]`
    sample_rate, target_rate : int
        Hz of the samples, and Hz wanted.
    resampler : `soxr_hq` or `soxr_vhq`
        libsoxr's quality: a pass band of 20 or 28 bits, linear phase, no delay; `soxr_hq` is librosa's default.

    Returns
    -------
    float32 `[samples * target_rate / sample_rate]`, give or take one
        What `mix_down` gives, resampled; with equal rates the mixture itself.
    """
    mono = mix_down(samples, sample_rate)
    if sample_rate == target_rate:
        return np.ascontiguousarray(mono, np.float32)
    resampled = soxr.resample(mono, sample_rate, target_rate, quality=_QUALITY[resampler])
    return np.ascontiguousarray(resampled, np.float32)


def mix_down(samples: Samples, sample_rate: int) -> Samples:
    """The mean of the channels, or the strongest one where they cancel in the mean.

    Parameters
    ----------
    samples : float32 `[channels, samples]`
    sample_rate : int
        Hz of the samples.

    Returns
    -------
    float32 `[samples]`
            `sum(samples[c]) / channels`; where this has lost the speech, by its power between 200 and 4000 Hz, the
        channel that has the most power there.

    Channels cancel where one is the other upside down (a wrong cable, a phone's second microphone), and most of eight
    channels may be silent. Segments of half a second are judged by their own power and what is remembered of that
    before them, so what follows changes nothing. Channels that do not cancel have their mean, bit for bit.
    """
    if samples.shape[0] == 1:
        return np.asarray(samples[0])
    mean = len(samples)
    mixed: Samples = samples.mean(axis=0, dtype=np.float32)
    sources = [*samples, mixed.copy()]
    size, fade = max(1, round(SEGMENT_S * sample_rate)), round(FADE_S * sample_rate)
    power = np.zeros(mean + 1)
    chosen = mean
    for start in range(0, mixed.size, size):
        power = REMEMBERED * power + _band_energy(samples[:, start : start + size], sample_rate)
        last, chosen = chosen, _choose(power, chosen)
        mixed[start : start + size] = sources[chosen][start : start + size]
        if start and chosen != last:
            part = slice(start, start + fade)
            mixed[part] = _crossfade(sources[last][part], sources[chosen][part])
    return mixed


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
    frequencies = np.fft.rfftfreq(segment.shape[1], 1 / sample_rate)
    band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
    spectrum = np.fft.rfft(segment)[:, band]
    spectra = np.concatenate([spectrum, spectrum.mean(axis=0, keepdims=True)])
    return np.asarray(2 * np.square(np.abs(spectra), dtype=np.float64).sum(axis=1) / segment.shape[1])


def _crossfade(before: Samples, after: Samples) -> Samples:
    gain = np.linspace(0, 1, after.size, dtype=np.float32)
    return np.asarray(before * (1 - gain) + after * gain)
