from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from speech_emotion.files import LEFTOVER_S, whole_file, whole_folder


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.npy"
    for text in ("one", "two"):
        with whole_file(path) as temporary:
            temporary.write_text(text)
            assert path.exists() == (text == "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_raises_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    (tmp_path / "file").write_text("old")

    def broken_off(writing: AbstractContextManager[Path], start: Callable[[Path], object]) -> None:
        with writing as temporary:
            start(temporary)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off(whole_file(tmp_path / "file"), lambda path: path.write_text("new"))
    with pytest.raises(ZeroDivisionError):
        broken_off(whole_folder(tmp_path / "folder"), lambda path: path.mkdir())
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "folder"):
        pass
    assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / "folder" / "old").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_writers_at_once_never_share_a_temporary_name(tmp_path: Path) -> None:
    # As pods do: each with the same process id.
    with whole_file(tmp_path / "x") as first, whole_file(tmp_path / "x") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "x").read_text() == "1"


def test_of_folders_written_at_once_one_stays_whole(tmp_path: Path) -> None:
    folder = tmp_path / "step"

    def write(writer: int) -> None:
        with whole_folder(folder) as temporary:
            temporary.mkdir()
            for part in range(3):
                (temporary / str(part)).write_text(str(writer))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(60)))
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2"]
    assert len({path.read_text() for path in folder.iterdir()}) == 1
    assert list(tmp_path.iterdir()) == [folder]


def test_an_old_folder_stays_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "step"
    folder.mkdir()
    (folder / "old").touch()
    rename = Path.rename

    def fails_for_the_new(path: Path, target: Path) -> Path:
        if path.joinpath("new").exists():
            raise OSError(errno.EIO, "input/output error")
        return rename(path, target)

    def write() -> None:
        with whole_folder(folder) as temporary:
            temporary.mkdir()
            (temporary / "new").touch()

    monkeypatch.setattr(Path, "rename", fails_for_the_new)
    with pytest.raises(OSError, match="input/output"):
        write()
    assert list(tmp_path.rglob("*")) == [folder, folder / "old"]


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    for name, age_s in ((".step.a.tmp", LEFTOVER_S + 60), (".step.b.tmp", 60), (".other.c.tmp", LEFTOVER_S + 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, times=(time.time() - age_s,) * 2)
    with whole_folder(tmp_path / "step") as temporary:
        temporary.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.c.tmp", ".step.b.tmp", "step"]


@pytest.mark.parametrize("name", ["a" * 255, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 127])
def test_the_longest_name_can_be_written(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "new"
