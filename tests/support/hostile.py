"""Files that a hostile or broken client sends, each with the statuses and codes that may answer it."""

from __future__ import annotations

import functools

import numpy as np

from tests.support import clips

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


@functools.cache
def files() -> dict[str, tuple[bytes, str]]:
    """Name to the bytes and the code that must answer them; `ok` for a clip that is answered."""
    rng = np.random.default_rng(0)
    hours = clips.encode(np.zeros(2 * 3600 * 16_000, np.int16), format="FLAC")
    noise = rng.bytes(MOST_BYTES)
    tone = clips.tone()
    return {
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
