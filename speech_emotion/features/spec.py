"""Everything that changes a number between samples and tensor, as frozen, bounded JSON."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, reduce
from operator import or_
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from speech_emotion.audio.signal import Resampler
from speech_emotion.errors import FeatureSpecError, PluginError
from speech_emotion.features.block import BLOCKS, Block, Frozen
from speech_emotion.invalid import first_fault

MAX_INPUT_VALUES = 2**20
"""Values of one model input, `frames * bins`: 4 MiB in float32, which is what a gRPC message holds by default."""
MAX_VALUES_PER_S = 2**20
"""Values that a second of audio becomes, of spectrum or of features, with the overlap of the windows."""


def _block(value: object) -> Block:
    kind = value.kind if isinstance(value, Block) else value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        raise ValueError("a block is an object with a 'kind'")
    if kind not in BLOCKS.names():
        raise ValueError(f"no feature block {kind!r} is installed: there are {', '.join(BLOCKS.names())}")
    known = BLOCKS.load(kind)
    if isinstance(value, Block) and type(value) is not known:
        raise ValueError(f"{type(value)} is not the feature block that is installed as {kind!r}")
    return value if isinstance(value, Block) else known.model_validate(value)


class _Kinds:
    """The JSON schema of an installed block: one of them, told apart by `kind`."""

    def __get_pydantic_json_schema__(self, _schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        kinds: Any = reduce(or_, (BLOCKS.load(name) for name in BLOCKS.names()))
        return handler(TypeAdapter(Annotated[kinds, Field(discriminator="kind")]).core_schema)


InstalledBlock = Annotated[SerializeAsAny[Block], PlainValidator(_block), _Kinds()]
"""A block of any installed kind, chosen by `kind`; only that one is imported."""


class FeatureSpec(Frozen):
    """How samples become `[windows, frames, bins]`; a model carries the one it was trained with."""

    schema_version: Literal[1] = 1
    """Version of this schema; another one is refused."""
    sample_rate: int = Field(default=16_000, ge=4_000, le=48_000)
    """Rate in Hz to which every clip is resampled."""
    downmix: Literal["mean"] = "mean"
    """How channels become one: their mean where they do not cancel (`speech_emotion.audio.signal.mix_down`)."""
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
    blocks: tuple[InstalledBlock, ...] = Field(min_length=1, max_length=8)
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
            block.check(self)
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
        """Read a specification.

        Raises FeatureSpecError on anything unknown or out of bounds, such as a block that is not installed here.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise FeatureSpecError(f"not a feature specification: {_first_problem(error)}") from error
        except PluginError as error:
            raise FeatureSpecError(f"not a feature specification here: {error}") from error

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


def _first_problem(error: ValidationError) -> str:
    where, fault = first_fault(error)
    return f"{'.'.join(map(str, where))}: {fault}" if where else fault
