"""Files that a hostile or broken client sends, each with the statuses and codes that may answer it."""

from __future__ import annotations

import functools

import numpy as np

from tests.support import clips, sent

MOST_BYTES = 16 * 1024 * 1024 - 1000


def without_length(flac: bytes) -> bytes:
    """A FLAC whose header does not say how long it is."""
    data = bytearray(flac)
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def with_length(wav: bytes, size: int) -> bytes:
    """A WAV whose header promises `size` bytes."""
    return wav[:40] + size.to_bytes(4, "little") + wav[44:]


def huge_tables(m4a: bytes) -> bytes:
    """An M4A whose sample tables promise four billion entries."""
    data = bytearray(m4a)
    for box in (b"stts", b"stsz", b"stsc", b"stco"):
        at = data.index(box) + 8 + (4 if box == b"stsz" else 0)
        data[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(data)


def with_number(file: bytes, box: bytes, offset: int, size: int, value: int) -> bytes:
    """A file with another number of so many bytes, most significant first, so far behind the name of a box."""
    at = file.index(box) + offset
    return file[:at] + value.to_bytes(size, "big") + file[at + size :]


@functools.cache
def files() -> dict[str, tuple[bytes, str]]:
    """Name to the bytes and the code that must answer them; `ok` for a clip that is answered."""
    rng = np.random.default_rng(0)
    hours = clips.encode(np.zeros(2 * 3600 * 16_000, np.int16), format="FLAC")
    noise = rng.bytes(MOST_BYTES)
    tone = clips.tone()
    caf, au = sent.write("CAF, ALAC", sent.tone(1.0)), sent.write("AU", sent.tone(1.0))
    minutes = np.zeros((1, 8_000 * 70))
    return {
        "amr of two days of pauses": (b"#!AMR\n" + b"\x7c" * MOST_BYTES, "audio_too_long"),
        "amr of noise": (b"#!AMR\n" + noise[6:], "audio_too_long"),
        "ogg flac of silence": (sent.write("Ogg, FLAC", minutes, 8_000), "audio_too_long"),
        "caf alac of silence": (sent.write("CAF, ALAC", minutes, 8_000), "audio_too_long"),
        "wma of silence": (sent.write("WMA 2", minutes, 8_000), "audio_too_long"),
        "caf with a huge table": (with_number(caf, b"pakt", 12, 8, 2**62), "corrupt_audio"),
        "caf of noise": (caf[:60] + noise[60:], "corrupt_audio"),
        "au whose samples begin behind its end": (with_number(au, b".snd", 4, 4, 2**32 - 1), "ok"),
        "wma of noise": (sent.write("WMA 2", sent.tone(1.0))[:60] + noise[60:], "corrupt_audio"),
        "w64 of noise": (sent.write("W64", sent.tone(1.0))[:40] + noise[40:], "corrupt_audio"),
        "mp3 of noise": (sent.write("MP3", sent.tone(1.0))[:500] + noise[500:], "ok"),
        "a tag of 16 MB": (b"ID3\x04\x00\x00\x07\x7f\x7f\x7f" + noise[10:], "unsupported_format"),
        "fifteen silent tracks": (
            clips.multiplexed("matroska", [("flac", minutes[:, : 8_000 * 59])] * 15, 8_000),
            "ok",
        ),
        "flac of two hours": (hours, "audio_too_long"),
        "flac of two hours that does not say so": (without_length(hours), "audio_too_long"),
        "flac with many samples": (clips.tone(50, 192_000, 2, "FLAC"), "too_many_samples"),
        "flac just within the limits": (clips.tone(59, 192_000, 1, "FLAC"), "ok"),
        "wav just within the limits": (clips.tone(59, 48_000, 2), "ok"),
        "wav that promises 4 GB": (with_length(tone, 2**32 - 1), "ok"),
        "wav cut off": (tone[:9_001], "ok"),
        "wav without samples": (clips.encode(np.empty(0)), "empty_audio"),
        "wav of noise for a header": (b"RIFF" + noise[:4] + b"WAVE" + noise[12:], "corrupt_audio"),
        "nan": (clips.encode(np.full(1000, np.nan), subtype="FLOAT"), "non_finite_audio"),
        "far beyond full scale": (clips.encode(np.full(1000, 3e38), subtype="FLOAT"), "non_finite_audio"),
        "infinity": (clips.encode(np.full(1000, np.inf), subtype="FLOAT"), "non_finite_audio"),
        "m4a with huge tables": (huge_tables(clips.contained("ipod", "aac")), "corrupt_audio"),
        "m4a of noise": (clips.contained("ipod", "aac")[:28] + noise[28:], "corrupt_audio"),
        "webm of noise": (clips.contained("webm", "libopus")[:300] + noise[300:], "corrupt_audio"),
        "m3u8": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "unsupported_format"),
        "ffconcat": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "unsupported_format"),
        "text": (b"no audio at all, only text", "unsupported_format"),
        "an executable": (b"\x7fELF" + noise[4:], "unsupported_format"),
        "a zip": (b"PK\x03\x04" + noise[4:], "unsupported_format"),
        "random bytes": (b"\x00" + noise[1:], "unsupported_format"),
    }
