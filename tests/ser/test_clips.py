from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console

from ser.clips import Clip, UsageError, find_clips, printable
from ser.formats import table
from ser.outcomes import Outcome
from speech_emotion.audio.kinds import SUFFIXES


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_folders_name_their_audio_once_and_in_order(tmp_path: Path) -> None:
    fill(tmp_path, "b.WAV", "a.mp3", "notes.txt", "c/d.webm", "._a.mp3", "__MACOSX/c/._d.webm", "__MACOSX/e.wav")
    expected = [str(tmp_path / name) for name in ("a.mp3", "b.WAV", "c/d.webm")]
    assert [clip.name for clip in find_clips([str(tmp_path), expected[0], "-"])] == [*expected, "-"]
    (tmp_path / "text").mkdir()
    with pytest.raises(UsageError, match="holds no audio file"):
        find_clips([str(tmp_path / "text")])
    with pytest.raises(UsageError, match="empty"):
        find_clips([""])


def test_every_suffix_of_the_formats_that_are_read_is_looked_for(tmp_path: Path) -> None:
    fill(tmp_path, *(f"clip{suffix}" for suffix in SUFFIXES))
    assert len(find_clips([str(tmp_path)])) == len(SUFFIXES)


def test_a_folder_that_cannot_be_read_and_a_broken_link_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a.wav", "locked/b.wav")
    (tmp_path / "gone.wav").symlink_to("nowhere")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = {clip.shown: clip.problem for clip in find_clips([str(tmp_path)])}
    assert list(found) == ["a.wav", "gone.wav", "locked"]
    assert isinstance(found["locked"], PermissionError)


def test_names_are_shown_below_their_folder_or_below_what_folders_have_in_common(tmp_path: Path) -> None:
    fill(tmp_path, "one/deep/a.wav", "two/a.wav", "b.wav")
    one, two, named = (str(tmp_path / name) for name in ("one", "two", "b.wav"))
    assert [clip.shown for clip in find_clips([one])] == ["deep/a.wav"]
    assert [clip.shown for clip in find_clips([one, two, named])] == ["one/deep/a.wav", "two/a.wav", named]


def test_a_name_is_shortened_from_the_left_where_there_is_no_room() -> None:
    name = "a/very/long/way/down/to/the/" + 40 * "deeper/" + "recording-17.wav"
    outcome = Outcome(Clip(name, name), error=OSError(2, "No such file or directory"))
    console = Console(width=80)
    with console.capture() as drawn:
        console.print(table([outcome]))
    shown = next(line for line in drawn.get().splitlines() if "recording-17.wav" in line)
    assert "\N{HORIZONTAL ELLIPSIS}" in shown
    assert "No such file" in drawn.get()


@pytest.mark.parametrize(("name", "shown"), [
    ("a b.wav", "a b.wav"),
    ("größe.wav", "größe.wav"),
    (os.fsdecode(b"caf\xe9.wav"), "caf\\xe9.wav"),
    ("a\n\x1b[31mb\u202e.wav", "a\\n\\x1b[31mb\\u202e.wav"),
])  # fmt: skip
def test_a_name_never_commands_a_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown
