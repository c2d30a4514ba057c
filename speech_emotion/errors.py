"""One hierarchy for everything the project refuses; each class has a stable code."""

from __future__ import annotations

from typing import ClassVar


class SpeechEmotionError(Exception):
    """Root of the project's errors. `str(error)` is a sentence that may be shown to a client."""

    code: ClassVar[str] = "error"


class FileTooLargeError(SpeechEmotionError):
    """A file has more bytes than are read.

    Attributes: `size` (bytes, None for a pipe, whose end is not known), `limit` (bytes).
    """

    code = "file_too_large"

    def __init__(self, message: str, size: int | None, limit: int) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class AudioError(SpeechEmotionError):
    """The bytes are not audio that can be answered."""

    code = "invalid_audio"


class EmptyAudioError(AudioError):
    """There are no bytes, or no samples in them."""

    code = "empty_audio"


class UnsupportedFormatError(AudioError):
    """The bytes are not in a supported audio format."""

    code = "unsupported_format"


class CorruptAudioError(AudioError):
    """The file begins like an audio file, but cannot be decoded."""

    code = "corrupt_audio"


class TrackError(AudioError):
    """The file has no audio track with the requested number."""

    code = "no_such_track"


class NonFiniteAudioError(AudioError):
    """Floating-point samples are NaN, infinite, or far beyond full scale."""

    code = "non_finite_audio"


class LimitError(AudioError):
    """The audio exceeds a documented limit.

    Attributes: `limit` (the setting's name), `value` (what was found), `allowed` (what is allowed).
    """

    code = "limit_exceeded"

    def __init__(self, message: str, *, limit: str, value: float, allowed: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.value = value
        self.allowed = allowed


class DurationError(LimitError):
    """The clip is too long."""

    code = "audio_too_long"


class SampleRateError(LimitError):
    """The sample rate is too low or too high."""

    code = "sample_rate_out_of_range"


class ChannelsError(LimitError):
    """The clip has too many channels."""

    code = "too_many_channels"


class SamplesError(LimitError):
    """The clip has too many samples, all channels together."""

    code = "too_many_samples"


class DecoderFailedError(AudioError):
    """The decoder crashed on the clip, or needed more time or memory than allowed."""

    code = "decoder_failed"


class DecoderBusyError(SpeechEmotionError):
    """Every decoder was at work until the deadline."""

    code = "overloaded"


class DecoderDeadlineError(SpeechEmotionError):
    """The deadline passed while the clip was being decoded."""

    code = "deadline_exceeded"


class ContractError(SpeechEmotionError):
    """A SavedModel does not satisfy `speech_emotion.contract`."""

    code = "model_contract"


class PluginError(SpeechEmotionError):
    """An installed plug-in cannot be used; the message names its distribution."""

    code = "plugin"


class FeatureSpecError(ContractError):
    """A feature specification has an unknown block, an unknown field or a value out of bounds."""

    code = "feature_spec"


class StrideError(SpeechEmotionError):
    """A model's windows cannot lie so far apart, or so close together."""

    code = "invalid_stride"


class StoreError(SpeechEmotionError):
    """The model store is not in a state that allows what was asked."""

    code = "model_store"
