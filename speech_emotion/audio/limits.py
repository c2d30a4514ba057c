"""What is refused from the header alone."""

from __future__ import annotations

from dataclasses import dataclass

from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import ChannelsError, DurationError, SampleRateError, SamplesError


@dataclass(frozen=True)
class Limits:
    """Bounds on a clip: seconds, Hz (both ends), channels, samples of all channels together."""

    max_duration_s: float = 60.0
    min_sample_rate: int = 4_000
    max_sample_rate: int = 192_000
    max_channels: int = 8
    max_decoded_samples: int = 12_000_000

    def check(self, info: AudioInfo) -> None:
        """Raises SampleRateError, ChannelsError, DurationError or SamplesError if `info` is out of bounds."""
        rate = info.sample_rate
        if not self.min_sample_rate <= rate <= self.max_sample_rate:
            low = rate < self.min_sample_rate
            raise SampleRateError(
                f"the sample rate is {rate} Hz, allowed are {self.min_sample_rate} to {self.max_sample_rate} Hz",
                limit="min_sample_rate" if low else "max_sample_rate",
                value=rate,
                allowed=self.min_sample_rate if low else self.max_sample_rate,
            )
        if info.channels > self.max_channels:
            raise ChannelsError(
                f"the audio has {info.channels} channels, at most {self.max_channels} are allowed",
                limit="max_channels",
                value=info.channels,
                allowed=self.max_channels,
            )
        self.check_length(info.frames, info)

    def check_length(self, frames: int, info: AudioInfo) -> None:
        """Raises DurationError or SamplesError if this many frames of such a clip are too many."""
        duration_s, samples = frames / info.sample_rate, frames * info.channels
        if duration_s > self.max_duration_s:
            raise DurationError(
                f"the audio lasts {duration_s:.1f} s or more, at most {self.max_duration_s:g} s are allowed",
                limit="max_duration_s",
                value=duration_s,
                allowed=self.max_duration_s,
            )
        if samples > self.max_decoded_samples:
            raise SamplesError(
                f"the audio has {samples} samples or more in its channels, {self.max_decoded_samples} are allowed",
                limit="max_decoded_samples",
                value=samples,
                allowed=self.max_decoded_samples,
            )
