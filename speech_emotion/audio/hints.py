"""What a sender says about a clip beside its bytes: which track is meant, and what samples without a header are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from speech_emotion.audio.kinds import Kind
from speech_emotion.errors import UnsupportedFormatError

RAW_TYPES = {
    "audio/pcmu": Kind.PCMU,
    "audio/pcma": Kind.PCMA,
    "audio/l8": Kind.L8,
    "audio/l16": Kind.L16,
    "audio/l24": Kind.L24,
}
"""Content types of samples without a header (RFC 3551, 3190): G.711, and linear PCM, most significant byte first."""
MAX_TRACKS = 16
"""Tracks of a file of which one can be chosen; a file with more, video among them, is refused as broken."""
_DIGITS = 6


@dataclass(frozen=True)
class Raw:
    """Samples without a header: their encoding, Hz, channels (interleaved)."""

    kind: Kind
    sample_rate: int
    channels: int = 1


@dataclass(frozen=True)
class Hints:
    """`track`: which audio track, counted from 1; None chooses. `raw`: what the bytes are if they have no header."""

    track: int | None = None
    raw: Raw | None = None


NO_HINTS = Hints()


def raw_of(content_type: str, parameters: Mapping[str, str]) -> Raw | None:
    """What `audio/PCMU;rate=8000` and its like say; None for every other type.

    Raises UnsupportedFormatError for a rate that is missing, or a rate or number of channels that is none.
    """
    kind = RAW_TYPES.get(content_type.lower())
    if kind is None:
        return None
    given = {name.lower(): value for name, value in parameters.items()}
    rate, channels = _number(given.get("rate", "")), _number(given.get("channels", "1"))
    if not rate or not channels:
        raise UnsupportedFormatError(
            f"samples without a header need their rate in the content type: {content_type};rate=8000, "
            f"and ;channels=2 if there is more than one channel"
        )
    return Raw(kind, rate, channels)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
