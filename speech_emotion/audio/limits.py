"""What a clip may be: its rate and channels are checked first, its length while it is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import ChannelsError, DurationError, SampleRateError, SamplesError

TOLERANCE_S = 0.1
"""What a clip may be longer than allowed: codecs pad what they encode, and few containers say by how much."""
PADDED_SAMPLES = {"AAC": 3_136, "MP3": 2_880, "MP2": 2_304}
"""What encoders of these pad at most: more than the tolerance at low rates. Of AAC that is Apple's priming of 2,112
samples and most of a frame of 1,024, of MP3 a delay of 1,105 (LAME) and the rest of its last frames, of MP2 two."""


def tolerance_s(info: AudioInfo) -> float:
    """What such a clip may be longer than allowed, in seconds: at least `TOLERANCE_S`."""
    return max(TOLERANCE_S, PADDED_SAMPLES.get(info.subtype, 0) / info.sample_rate)


@dataclass(frozen=True)
class Limits:
    """Bounds on a clip: seconds, Hz (both ends), channels, samples of all channels together."""

    max_duration_s: float = 60.0
    min_sample_rate: int = 4_000
    max_sample_rate: int = 192_000
    max_channels: int = 8
    max_decoded_samples: int = 12_000_000

    @property
    def max_file_bytes(self) -> int:
        """The largest file within these bounds: 64-bit samples, and 16 MiB for tags and pictures."""
        return 8 * self.max_decoded_samples + 16 * 1024 * 1024

    def check(self, info: AudioInfo) -> None:
        """Raises SampleRateError or ChannelsError if `info` is out of bounds."""
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

    def most_frames(self, info: AudioInfo) -> int:
        """Samples per channel that such a clip may have by its seconds: 90.1 is no binary number, so it is rounded."""
        return math.floor(round((self.max_duration_s + tolerance_s(info)) * info.sample_rate, 3))

    def most_samples(self, info: AudioInfo) -> int:
        """Samples of all channels that such a clip may have."""
        return min(self.max_decoded_samples, self.most_frames(info) * info.channels)

    def allow(self, frames: int, info: AudioInfo) -> bool:
        """Whether such a clip may have this many frames."""
        try:
            self.check_length(frames, info)
        except (DurationError, SamplesError):
            return False
        return True

    def check_length(self, frames: int, info: AudioInfo) -> None:
        """Raises DurationError or SamplesError if this many frames of such a clip are too many."""
        duration_s, samples = frames / info.sample_rate, frames * info.channels
        if frames > self.most_frames(info):
            shown_s = math.ceil(1_000 * duration_s) / 1_000
            raise DurationError(
                f"the audio lasts {shown_s:.3f} s or more, at most {self.max_duration_s:g} s are allowed",
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
