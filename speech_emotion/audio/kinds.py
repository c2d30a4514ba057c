"""What a file is, by its first bytes; nothing that is not listed here reaches a decoder."""

from __future__ import annotations

from enum import Enum

from speech_emotion.audio import mpeg
from speech_emotion.audio.view import View
from speech_emotion.errors import EmptyAudioError, UnsupportedFormatError


class Kind(Enum):
    """A container that is read here; the value is the name of FFmpeg's demuxer for it."""

    WAV = "wav"
    W64 = "w64"
    AIFF = "aiff"
    AU = "au"
    CAF = "caf"
    FLAC = "flac"
    OGG = "ogg"
    MP3 = "mp3"
    ADTS = "aac"
    MP4 = "mov"
    MATROSKA = "matroska"
    AMR = "amr"
    ASF = "asf"
    # Samples alone, which only a content type can name.
    PCMU = "mulaw"
    PCMA = "alaw"
    L8 = "u8"
    L16 = "s16be"
    L24 = "s24be"


READ_HERE = (
    "WAV, AIFF, AU, CAF, W64, FLAC, Ogg (Vorbis, Opus, FLAC, Speex), MP3, M4A and MP4 and 3GP (AAC, ALAC, AMR), AAC, "
    "WebM and Matroska (Opus, Vorbis, PCM), AMR, WMA"
)
SUFFIXES = frozenset(
    {".3g2", ".3gp", ".aac", ".aif", ".aifc", ".aiff", ".amr", ".asf", ".au", ".awb", ".bwf", ".caf", ".flac", ".m4a"}
    | {".m4b", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".spx"}
    | {".w64", ".wav", ".wave", ".weba", ".webm", ".wma"}
)
"""How files of these kinds are named: what a folder is searched for. What a file is, its bytes alone decide."""

_STARTS = {
    b"fLaC": Kind.FLAC,
    b"OggS": Kind.OGG,
    b"\x1a\x45\xdf\xa3": Kind.MATROSKA,
    b".snd": Kind.AU,
    b"caff": Kind.CAF,
    b"#!AMR\n": Kind.AMR,
    b"#!AMR-WB\n": Kind.AMR,
    bytes.fromhex("72696666 2e91cf11 a5d628db 04c10000"): Kind.W64,
    bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c"): Kind.ASF,
}
_FORMS = {
    **dict.fromkeys(((b"RIFF", b"WAVE"), (b"RIFX", b"WAVE"), (b"RF64", b"WAVE"), (b"BW64", b"WAVE")), Kind.WAV),
    **dict.fromkeys(((b"FORM", b"AIFF"), (b"FORM", b"AIFC")), Kind.AIFF),
}
_MP4_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip")
_MOST_TAGS = 16
_ID3_HEADER_BYTES, _APE_HEADER_BYTES = 10, 32


def kind_of(data: View) -> Kind:
    """The container of `data`. Raises EmptyAudioError or UnsupportedFormatError."""
    return locate(data)[0]


def locate(data: View) -> tuple[Kind, int]:
    """The container of `data` and where it begins: tags may stand before it, whatever it is.

    Raises EmptyAudioError or UnsupportedFormatError.
    """
    if not len(data):
        raise EmptyAudioError("the file is empty")
    begin = _after_tags(data)
    if kind := by_header(data[begin : begin + 16]):
        return kind, begin
    if found := mpeg.find(data, begin):
        layered, at = found
        return (Kind.ADTS if layered is mpeg.Layer.ADTS else Kind.MP3), at
    raise UnsupportedFormatError(f"the bytes are not in a supported audio format; supported are: {READ_HERE}")


def by_header(start: bytes) -> Kind | None:
    """The container whose header begins with these 16 bytes; frames of MP3 and ADTS have none."""
    if kind := _FORMS.get((start[:4], start[8:12])):
        return kind
    if start[4:8] in _MP4_BOXES:
        return Kind.MP4
    return next((kind for magic, kind in _STARTS.items() if start.startswith(magic)), None)


def _after_tags(data: View) -> int:
    """Where the ID3v2 and APE tags and the zeros behind them end; 0 without any. A tag that says it is longer than the
    file is passed over by its header alone."""
    at = 0
    for _ in range(_MOST_TAGS):
        if data[at : at + 3] == b"ID3":
            header, content = _ID3_HEADER_BYTES, _id3_bytes(data[at : at + _ID3_HEADER_BYTES])
        elif data[at : at + 8] == b"APETAGEX":
            header, content = _APE_HEADER_BYTES, int.from_bytes(data[at + 12 : at + 16], "little")
        else:
            break
        end = at + header + content
        at = end if end < len(data) else at + header
    return data.zeros(at) if at else at


def _id3_bytes(header: bytes) -> int:
    """What follows the header of an ID3v2 tag: its frames, and a footer where a flag says so."""
    header = header.ljust(_ID3_HEADER_BYTES, b"\0")
    size = 0
    for byte in header[6:]:
        size = size << 7 | byte & 0x7F
    return size + (_ID3_HEADER_BYTES if header[5] & 0x10 else 0)
