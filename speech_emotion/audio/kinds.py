"""What a file is, by its first bytes; nothing that is not listed here reaches a decoder."""

from __future__ import annotations

from enum import Enum

from speech_emotion.errors import EmptyAudioError, UnsupportedFormatError


class Kind(Enum):
    """A container that is read here. Libsndfile reads the first five, FFmpeg's demuxer of that name the others."""

    WAV = "wav"
    AIFF = "aiff"
    FLAC = "flac"
    OGG = "ogg"
    MP3 = "mp3"
    MP4 = "mov"
    MATROSKA = "matroska"
    ADTS = "aac"


SUFFIXES = frozenset(
    {".3g2", ".3gp", ".aac", ".aif", ".aifc", ".aiff", ".amr", ".au", ".awb", ".bwf", ".caf", ".flac", ".m4a", ".m4b"}
    | {".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".spx", ".w64"}
    | {".wav", ".wave", ".weba", ".webm", ".wma"}
)
"""How files of these kinds are named: what a folder is searched for. What a file is, its bytes alone decide."""


def kind_of(data: bytes) -> Kind:
    """The container of `data`. Raises EmptyAudioError or UnsupportedFormatError."""
    if not data:
        raise EmptyAudioError("the file is empty")
    start, tag = data[:4], data[8:12]
    if start in (b"RIFF", b"RIFX") and tag == b"WAVE":
        return Kind.WAV
    if start == b"FORM" and tag in (b"AIFF", b"AIFC"):
        return Kind.AIFF
    if data[4:8] == b"ftyp":
        return Kind.MP4
    by_start = {b"fLaC": Kind.FLAC, b"OggS": Kind.OGG, b"\x1a\x45\xdf\xa3": Kind.MATROSKA}
    kind = by_start.get(start) or _mpeg(data)
    if kind is None:
        raise UnsupportedFormatError("the bytes are not an audio format that is read here")
    return kind


def _mpeg(data: bytes) -> Kind | None:
    """MP3 (with or without an ID3 tag) or AAC in ADTS: eleven bits of sync; the layer bits are 0 in ADTS alone."""
    if data.startswith(b"ID3"):
        return Kind.MP3
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    if data[1] & 0x06:
        return Kind.MP3
    return Kind.ADTS if data[1] & 0xF0 == 0xF0 else None
