"""Everything that changes a number between samples and tensor, as frozen, bounded JSON."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from speech_emotion.audio.signal import Resampler
from speech_emotion.errors import FeatureSpecError

MAX_INPUT_VALUES = 2**20
"""Values of one model input, `frames * bins`: 4 MiB in float32, which is what a gRPC message holds by default."""
MAX_VALUES_PER_S = 2**20
"""Values that a second of audio becomes, of spectrum or of features, with the overlap of the windows."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _MelBank(_Frozen):
    n_mels: int = Field(default=128, ge=1, le=256)
    """Bands of the Slaney mel filter bank."""
    fmin: float = Field(default=0.0, ge=0, le=24_000)
    """Lowest edge in Hz."""
    fmax: float | None = Field(default=None, gt=0, le=24_000)
    """Highest edge in Hz; none: half the sample rate."""


class Mfcc(_MelBank):
    """Mel-frequency cepstral coefficients: orthonormal DCT-II of the mel power in dB (floor 80 dB down)."""

    kind: Literal["mfcc"] = "mfcc"
    n_mfcc: int = Field(default=40, ge=1, le=256)
    """Coefficients kept, from the zeroth."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_mfcc

    @model_validator(mode="after")
    def _no_more_than_bands(self) -> Self:
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc ({self.n_mfcc}) exceeds n_mels ({self.n_mels})")
        return self


class Chroma(_Frozen):
    """Energy per pitch class of the magnitude spectrum, each frame scaled to a maximum of 1."""

    kind: Literal["chroma"] = "chroma"
    n_chroma: int = Field(default=12, ge=1, le=48)
    """Pitch classes in an octave."""
    tuning: float = Field(default=0.0, ge=-0.5, lt=0.5)
    """Deviation from A440 in fractions of a bin; fixed, as an estimate would differ from clip to clip."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_chroma


class Mel(_MelBank):
    """Mel power spectrum, linear or in dB (floor 80 dB under the window's maximum)."""

    kind: Literal["mel"] = "mel"
    scale: Literal["power", "db"] = "power"
    """`power` as it is, or `db`."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_mels


class WhisperLogMel(_MelBank):
    """Whisper's log-mel: log10 of Slaney mel power, clamped under the window's maximum, (x + 4) / 4.

    Source: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision. Clamp and level
    are the window's own, where Whisper takes the clip's, so that windows do not depend on each other.
    """

    kind: Literal["whisper_log_mel"] = "whisper_log_mel"
    n_mels: int = Field(default=80, ge=1, le=256)
    """Bands of the Slaney mel filter bank."""
    range_decades: float = Field(default=8.0, ge=1, le=12)
    """Values further below the window's maximum are raised to this distance, in powers of ten."""
    level: Literal["none", "rms"] = "none"
    """`rms`: the window is scaled to a root mean square of 1, so that loudness says nothing."""
    level_range_db: float = Field(default=40.0, ge=3, le=120)
    """Frames further below the loudest one do not count towards the level: neither silence nor padding does."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_mels


Block = Annotated[Mfcc | Chroma | Mel | WhisperLogMel, Field(discriminator="kind")]


class FeatureSpec(_Frozen):
    """How samples become `[windows, frames, bins]`; a model carries the one it was trained with."""

    schema_version: Literal[1] = 1
    """Version of this schema; another one is refused."""
    sample_rate: int = Field(default=16_000, ge=4_000, le=48_000)
    """Rate in Hz to which every clip is resampled."""
    downmix: Literal["mean"] = "mean"
    """How channels become one."""
    resampler: Resampler = "soxr_hq"
    """libsoxr's quality."""
    n_fft: int = Field(default=2_048, ge=64, le=8_192)
    """Samples in a transform."""
    win_length: int = Field(default=2_048, ge=64, le=8_192)
    """Samples under the analysis window, at most `n_fft`."""
    hop_length: int = Field(default=512, ge=32, le=8_192)
    """Samples between frames."""
    window: Literal["hann", "hamming"] = "hann"
    """Analysis window."""
    center: Literal[True] = True
    """Frame t is centred on sample t * hop_length; the ends are padded with `pad_mode`."""
    pad_mode: Literal["constant", "reflect"] = "constant"
    """Padding of the ends before framing: zeros, or the mirrored signal."""
    window_s: float = Field(default=6.0, ge=0.1, le=60)
    """Seconds of one model input."""
    stride_s: float = Field(default=3.0, ge=0.05, le=60)
    """Seconds between the starts of windows in a longer clip; the last window ends with the clip."""
    padding: Literal["zeros", "none"] = "none"
    """A clip shorter than the window: zeros after it, or (aggregated features only) fewer frames."""
    aggregate: Literal["none", "mean", "mean_std"] = "mean"
    """Frames as they are, their mean, or mean and standard deviation, over a window."""
    blocks: tuple[Block, ...] = Field(min_length=1, max_length=8)
    """Features, side by side in this order."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length ({self.win_length}) exceeds n_fft ({self.n_fft})")
        if self.stride_s > self.window_s:
            raise ValueError(f"stride_s ({self.stride_s}) exceeds window_s ({self.window_s})")
        if self.padding == "none" and self.aggregate == "none":
            raise ValueError("padding 'none' needs an aggregate: a model input has a fixed number of frames")
        for block in self.blocks:
            _check_band(block, self.sample_rate)
        self._check_size()
        return self

    def _check_size(self) -> None:
        """Each field has bounds of its own, and so has what they ask for together."""
        if self.frames * self.bins > MAX_INPUT_VALUES:
            raise ValueError(
                f"a model input of {self.frames} frames of {self.bins} values exceeds {MAX_INPUT_VALUES} values"
            )
        per_frame = max(1 + self.n_fft // 2, sum(block.bins for block in self.blocks))
        per_s = self.window_frames * per_frame / self.stride_s
        if per_s > MAX_VALUES_PER_S:
            raise ValueError(
                f"{self.window_frames} frames of {per_frame} values every {self.stride_s:g} s (stride_s) are "
                f"{per_s:.0f} values for a second of audio, {MAX_VALUES_PER_S} are allowed"
            )

    @classmethod
    def from_json(cls, text: str | bytes) -> FeatureSpec:
        """Read a specification. Raises FeatureSpecError on anything unknown or out of bounds."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise FeatureSpecError(f"not a feature specification: {_first_problem(error)}") from error

    def to_json(self) -> str:
        """Canonical JSON: every field, sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, in hex: equal fingerprints mean equal features."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def window_frames(self) -> int:
        """Frames of a whole window before aggregation."""
        return self.frames_of(self.window_samples)

    def frames_of(self, samples: int) -> int:
        """Frames of that many samples, at least one.

        Half a transform, rounded down, is padded on each side: an odd `n_fft` is one sample short of a whole one.
        """
        return 1 + max(0, samples - self.n_fft % 2) // self.hop_length

    @property
    def window_samples(self) -> int:
        """Samples of a whole window."""
        return round(self.window_s * self.sample_rate)

    @property
    def stride_frames(self) -> int:
        """Frames between the starts of windows, at least one."""
        return max(1, round(self.stride_s * self.sample_rate / self.hop_length))

    @property
    def frames(self) -> int:
        """Second dimension of the model's input."""
        return self.window_frames if self.aggregate == "none" else 1

    @property
    def bins(self) -> int:
        """Third dimension of the model's input."""
        per_frame = sum(block.bins for block in self.blocks)
        return per_frame * 2 if self.aggregate == "mean_std" else per_frame


def _check_band(block: Block, sample_rate: int) -> None:
    if isinstance(block, Chroma):
        return
    fmax = block.fmax if block.fmax is not None else sample_rate / 2
    if not block.fmin < fmax <= sample_rate / 2:
        raise ValueError(f"{block.kind}: {block.fmin} to {fmax} Hz is no band below {sample_rate / 2} Hz")


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


SEED_SPEC = FeatureSpec(blocks=(Mfcc(), Chroma(), Mel()))
"""40 MFCC, 12 chroma and 128 mel values, each a mean over the clip (up to 6 s): 180 numbers."""

WHISPER_SPEC = FeatureSpec(
    n_fft=400,
    win_length=400,
    hop_length=160,
    pad_mode="reflect",
    window_s=4.0,
    stride_s=2.0,
    padding="zeros",
    aggregate="none",
    blocks=(WhisperLogMel(level="rms"),),
)
"""Whisper's log-mel of 4 s, level removed: 401 frames of 80 bands."""
