from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest

from speech_emotion.audio import Hints
from speech_emotion.audio.content import content_of
from speech_emotion.audio.view import PIECE_BYTES, View
from tests.support import clips

GIGABYTE = 1 << 30


def sparse(path: Path, start: bytes, size: int, end: bytes = b"") -> BinaryIO:
    """A file that takes no room: zeros between its first and last bytes."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
        file.seek(size - len(end))
        file.write(end)
    return path.open("rb")


@pytest.mark.parametrize("seed", range(20))
def test_a_view_reads_as_the_bytes_do_that_were_changed_and_cut(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(rng.bytes(200))
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open("rb") as file:
        view = View.of(bytes(data)) if seed % 2 else View.of(file)
        for _ in range(8):
            begin, end = (int(place) for place in np.sort(rng.integers(0, len(data) + 1, 2)))
            if rng.random() < 0.3:
                data, view = data[begin:end], view.part(begin, end)
            else:
                field = rng.bytes(int(rng.integers(0, 9)))
                data[begin : begin + len(field)] = field[: max(0, len(data) - begin)]
                view = view.put(begin, field)
            assert len(view) == len(data)
            low, high = (int(place) for place in rng.integers(-5, len(data) + 9, 2))
            assert view[low:high] == data[low:high]
            assert view[:] == data
            what = data[3:6] or b"moov"
            assert view.find(what) == data.find(what)


def test_a_view_is_read_and_sought_as_a_file() -> None:
    data = bytes(range(100))
    file, known = View.of(data).part(10, 90).file(), io.BytesIO(data[10:90])
    for offset, whence, count in [(3, 0, 5), (2, 1, 4), (-7, 2, 100), (50, 2, 1), (0, 0, -1)]:
        assert file.seek(offset, whence) == known.seek(offset, whence)
        assert file.read(count) == known.read(count)
        assert file.tell() == known.tell()
    file.seek(4)
    room = bytearray(6)
    assert cast(io.RawIOBase, file).readinto(room) == 6
    assert room == data[14:20]
    with pytest.raises(ValueError, match="before"):
        file.seek(-1)


@pytest.mark.parametrize("at", [0, PIECE_BYTES - 2, PIECE_BYTES, 3 * PIECE_BYTES + 17])
def test_what_lies_across_pieces_is_found_and_zeros_are_counted_to_their_end(at: int) -> None:
    view = View.of(bytes(at) + b"moov" + bytes(9))
    assert view.find(b"moov") == at
    assert view.find(b"mdat") == -1
    assert view.zeros(0) == at
    assert view.zeros(at + 4) == len(view)


def test_the_place_in_a_file_that_is_shared_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    with (tmp_path / "file").open("rb") as file:
        view = View.of(file)
        file.seek(2)
        assert view[4:6] == b"ef"
        assert file.read() == b"cdef"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (clips.tone(0.1), b""),
        (clips.tone(0.1, format="AIFF"), b""),
        (clips.tone(0.1, format="AU"), b""),
        (clips.tone(0.1, format="W64"), b""),
        (clips.tone(0.1, format="CAF"), b""),
        (clips.tone(0.1, format="FLAC"), b""),
        (clips.tone(0.1, format="MP3"), b"TAG" + bytes(125)),
        (clips.contained("ipod", "aac"), b""),
    ],
)
def test_what_a_file_of_gigabytes_is_costs_no_memory_to_find_out(tmp_path: Path, start: bytes, end: bytes) -> None:
    with sparse(tmp_path / "file", start, 3 * GIGABYTE, end) as file:
        content_of(file, Hints())  # what is made once is made
        tracemalloc.start()
        try:
            content = content_of(file, Hints())
            content.data.file().read(100_000)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert content.kind is content_of(start, Hints()).kind
    assert len(content.data) >= 3 * GIGABYTE - 2 * len(end) - 128
    assert peak < 1_000_000
