"""Real files of every format, and what a hostile sender makes of them."""

from __future__ import annotations

import numpy as np

from speech_emotion.audio.kinds import Kind
from tests.support import clips, sent

RAW = {"PCMU": Kind.PCMU, "PCMA": Kind.PCMA, "L16": Kind.L16}
"""Seeds of samples without a header, which a content type names."""


def seeds() -> dict[str, bytes]:
    """A short clip in each container and encoding, by name."""
    made = {
        f"{form}/{sub}": clips.tone(0.1, format=form, subtype=sub)
        for form, sub in [
            ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAV", "ALAW"), ("WAV", "IMA_ADPCM"),
            ("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("AIFF", "FLOAT"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"),
            ("CAF", "PCM_24"), ("AU", "PCM_16"),
        ]
    }  # fmt: skip
    made |= {name: sent.write(name, sent.tone(0.1)) for name in sent.FORMS}
    made["two tracks"] = clips.multiplexed("matroska", [("flac", sent.tone(0.1)), ("libopus", sent.tone(0.1))])
    made["MP3 behind ID3"] = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) + made["MP3"]
    made["AMR, wide band"] = b"#!AMR-WB\n" + (b"\x04" + bytes(range(17))) * 5
    made |= {name: clips.tone(0.1)[44:] for name in RAW}
    return made


SEEDS = seeds()
NAMES = sorted(SEEDS)
HEADER_BYTES = 512
EDGES = (0, 1, 0x7F, 0x80, 0xFF)


def mutate(rng: np.random.Generator, name: str) -> bytes:
    """One hostile file from the seed `name`: bytes changed (mostly in the header), cut, spliced, grown."""
    data = bytearray(SEEDS[name])
    for _ in range(int(rng.integers(1, 4))):
        CHANGES[int(rng.integers(len(CHANGES)))](rng, data)
    return bytes(data)


def change_bytes(rng: np.random.Generator, data: bytearray) -> None:
    """A few bytes, three times of four within the header, become another value or an edge."""
    for _ in range(int(rng.integers(1, 9))):
        reach = min(len(data), HEADER_BYTES if rng.random() < 0.75 else len(data))
        if reach:
            edge = rng.random() < 0.5
            data[int(rng.integers(reach))] = int(rng.choice(EDGES)) if edge else int(rng.integers(256))


def change_number(rng: np.random.Generator, data: bytearray) -> None:
    """Four bytes of the header become a size or count out of all reason."""
    if len(data) > 8:
        at = int(rng.integers(min(len(data), HEADER_BYTES) - 4))
        value = int(rng.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
        data[at : at + 4] = value.to_bytes(4, "little" if rng.random() < 0.5 else "big")


def cut(rng: np.random.Generator, data: bytearray) -> None:
    """The end is missing."""
    del data[int(rng.integers(len(data) + 1)) :]


def splice(rng: np.random.Generator, data: bytearray) -> None:
    """The rest is another file's."""
    other = SEEDS[NAMES[int(rng.integers(len(NAMES)))]]
    data[int(rng.integers(len(data) + 1)) :] = other[int(rng.integers(len(other))) :]


def repeat(rng: np.random.Generator, data: bytearray) -> None:
    """A piece comes again."""
    begin = int(rng.integers(len(data) + 1))
    data[begin:begin] = data[begin : begin + int(rng.integers(1, 400))] * int(rng.integers(1, 8))


CHANGES = (change_bytes, change_bytes, change_number, cut, splice, repeat)
