"""What is read of a file, whatever it is, and what is found in a folder."""

from __future__ import annotations

import io
import os
import socket
import threading
from pathlib import Path

import pytest

from preprocess_gateway.settings import Settings
from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import MAX_CLIP_BYTES, find_files, read_at_most

LIMIT = 100_000


class Counted(io.RawIOBase):
    """A stream without an end, in blocks of at most 1,000 bytes, that counts what is taken from it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), 1_000)
        self.taken += count
        return count


def test_a_file_at_the_limit_is_read_and_one_byte_more_is_refused_with_its_size(tmp_path: Path) -> None:
    (path := tmp_path / "a.wav").write_bytes(b"x" * LIMIT)
    assert len(read_at_most(path, LIMIT)) == LIMIT
    with pytest.raises(FileTooLargeError, match=f"100,000 bytes, at most {LIMIT - 1:,}") as refused:
        read_at_most(str(path), LIMIT - 1)
    assert (refused.value.size, refused.value.limit) == (LIMIT, LIMIT - 1)


def test_a_film_of_20_gigabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    (film := tmp_path / "film.wav").touch()
    os.truncate(film, 20_000_000_000)
    with pytest.raises(FileTooLargeError, match="20,000,000,000 bytes"):
        read_at_most(film, LIMIT)


def test_no_more_than_one_byte_above_the_limit_is_taken_from_a_stream() -> None:
    stream = Counted()
    with pytest.raises(FileTooLargeError, match="more than 100,000 bytes"):
        read_at_most(stream, LIMIT)  # type: ignore[arg-type]
    assert stream.taken == LIMIT + 1
    with Path("/dev/zero").open("rb") as endless, pytest.raises(FileTooLargeError):
        read_at_most(endless, LIMIT)


def test_devices_sockets_and_folders_are_no_files(tmp_path: Path) -> None:
    (link := tmp_path / "zero.wav").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="a device") as refused:
        read_at_most(link, LIMIT)
    assert refused.value.filename == str(link)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.wav"))
        with pytest.raises(OSError, match="a socket"):
            read_at_most(tmp_path / "s.wav", LIMIT)
    with pytest.raises(IsADirectoryError, match="a folder"):
        read_at_most(tmp_path, LIMIT)
    with pytest.raises(FileNotFoundError):
        read_at_most(tmp_path / "none", LIMIT)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_named_pipes_and_those_of_a_shell_are_read_within_the_limit(tmp_path: Path, size: int) -> None:
    os.mkfifo(named := tmp_path / "pipe.wav")
    reading, writing = os.pipe()
    for path, target in ((str(named), named), (f"/dev/fd/{reading}", writing)):
        writer = threading.Thread(target=write, args=(target, size))
        writer.start()
        if size > LIMIT:
            with pytest.raises(FileTooLargeError):
                read_at_most(path, LIMIT)
        else:
            assert len(read_at_most(path, LIMIT)) == size
        writer.join()
    os.close(reading)


def write(target: Path | int, size: int) -> None:
    with open(target, "wb") as pipe:  # noqa: PTH123 - a descriptor too
        pipe.write(b"x" * size)


def test_a_file_open_as_text_is_refused() -> None:
    with pytest.raises(ValueError, match="binary mode"):
        read_at_most(io.StringIO("text"), LIMIT)  # type: ignore[arg-type]


def test_the_limit_of_the_client_is_that_of_the_gateway() -> None:
    assert Settings.model_fields["max_body_bytes"].default == MAX_CLIP_BYTES


def test_what_macos_adds_is_no_recording(tmp_path: Path) -> None:
    for name in ("a.wav", "._a.wav", "deep/b.wav", "deep/._b.wav", "__MACOSX/deep/._b.wav", "__MACOSX/c.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.wav").symlink_to("nowhere")
    found = {path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)}
    assert found == {"a.wav", "deep/b.wav", "gone.wav"}


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    told: list[OSError] = []
    assert list(find_files(tmp_path / "none", told.append)) == []
    assert [error.filename for error in told] == [str(tmp_path / "none")]
