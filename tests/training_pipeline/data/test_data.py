from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.clips import Clip, read_clips, write_clips
from training_pipeline.data.folds import held_out, random_folds, speaker_folds
from training_pipeline.data.ravdess import EMOTIONS, FOLDS, read_ravdess
from training_pipeline.data.readers import read_data
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError


def ravdess_tree(folder: Path, actors: range = range(1, 25)) -> Path:
    for actor in actors:
        for emotion in range(1, 9):
            path = folder / f"Actor_{actor:02d}" / f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


def test_ravdess_is_read_in_any_nesting_and_other_files_are_counted(tmp_path: Path) -> None:
    ravdess_tree(tmp_path)
    (tmp_path / "readme.txt").touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "03-02-01-01-01-01-01.flac").touch()  # song
    (tmp_path / "deep" / "03-01-05-02-02-02-24.flac").touch()
    (tmp_path / "deep" / "03-01-01-01-01-01-01.wav").touch()  # the archive has every folder twice
    found = read_ravdess(tmp_path)
    assert (len(found.clips), found.skipped) == (24 * 8 + 1, 3)
    clip = next(clip for clip in found.clips if clip.path.stem == "03-01-05-02-02-02-24")
    assert (clip.emotion, clip.speaker, clip.sex) == ("angry", "24", "female")


def test_song_is_read_only_when_asked_for(tmp_path: Path) -> None:
    ravdess_tree(tmp_path)
    (tmp_path / "03-02-06-01-01-01-01.flac").touch()
    assert len(read_ravdess(tmp_path).clips) == 24 * 8
    assert len(read_ravdess(tmp_path, song=True).clips) == 24 * 8 + 1


def test_a_clip_whose_content_was_not_fetched_is_missed(tmp_path: Path) -> None:
    absent = max(ravdess_tree(tmp_path).rglob("03-01-*"))
    absent.unlink()
    absent.symlink_to(tmp_path / "not-fetched")
    with pytest.raises(DataError, match=f"{absent.name}.*does not exist"):
        read_data(tmp_path)


def test_skipped_files_are_told_with_their_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (ravdess_tree(tmp_path) / "readme.txt").touch()
    assert len(read_data(tmp_path).clips) == 24 * 8
    assert "1 other files skipped" in caplog.text


def test_random_folds_are_fewer_where_an_emotion_is_rare_and_one_clip_is_an_error(clips: list[Clip]) -> None:
    calm = [clip for clip in clips if clip.emotion == "calm"]
    others = [clip for clip in clips if clip.emotion != "calm"]
    assert len(random_folds([*others, *calm[:2]])) == 2
    with pytest.raises(DataError, match="there is one of calm"):
        random_folds([*others, calm[0]])


@pytest.mark.parametrize(
    "name", ["speech.wav", "03-01-09-01-01-01-01.wav", "03-01-01-01-01-01-25.wav", "03-01-01.flac"]
)
def test_a_malformed_ravdess_name_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    ravdess_tree(tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=name):
        read_ravdess(tmp_path)


def test_missing_actors_are_an_error_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="actor 23, 24"):
        read_ravdess(ravdess_tree(tmp_path, range(1, 23)))
    assert len(read_ravdess(tmp_path, all_actors=False).clips) == 22 * 8


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no RAVDESS speech"):
        read_ravdess(tmp_path)


def test_the_recordings_are_whole(ravdess_dir: Path) -> None:
    clips = read_ravdess(ravdess_dir).clips
    assert len(clips) == 1440
    assert [sum(clip.emotion == emotion for clip in clips) for emotion in EMOTIONS] == [96] + [192] * 7
    tests = [{int(clips[i].speaker) for i in fold.test} for fold in speaker_folds(clips)]
    assert tests == [set(actors) for actors in FOLDS]


def test_a_manifest_reads_back(tmp_path: Path) -> None:
    manifest = write_synthetic(tmp_path, speakers=2, takes=1)
    clips = read_clips(manifest)
    write_clips(tmp_path / "again.csv", clips)
    assert read_clips(tmp_path / "again.csv") == clips
    assert len(clips) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.wav,x\n", "no column speaker"),
        ("path,label,speaker\n", "no clips"),
        ("path,label,speaker\na.wav,,1\n", "line 2: label is empty"),
        ("path,label,speaker\nmissing.wav,x,1\n", "line 2: missing.wav does not exist"),
        ("path,label,speaker\na.wav\n", "line 2: label, speaker is empty"),
    ],
)
def test_a_bad_manifest_is_an_error_that_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_clips(tmp_path / "manifest.csv")


@pytest.mark.parametrize("label", ['"a,b"', "a\x07b", '"a\nb"'])
def test_a_label_that_could_not_be_asked_for_is_an_error_that_names_the_line(tmp_path: Path, label: str) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.csv").write_text(f"path,label,speaker\na.wav,glad,1\na.wav,{label},1\n")
    with pytest.raises(DataError, match=r"manifest\.csv, line \d: the label 'a.*b' has a comma or a control character"):
        read_clips(tmp_path / "manifest.csv")


def test_a_path_that_the_system_does_not_take_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"path,label,speaker\n{'a' * 300}.wav,glad,1\n")
    with pytest.raises(DataError, match=r"manifest\.csv, line 2: a+\.wav: File name too long"):
        read_clips(tmp_path / "manifest.csv")


def test_a_sex_is_the_same_by_its_letter_and_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    rows = ["1,f", "1,female", "1,", "2,M", "3,other"]
    (tmp_path / "manifest.csv").write_text("path,label,speaker,sex\n" + "".join(f"a.wav,sad,{row}\n" for row in rows))
    assert [clip.sex for clip in read_clips(tmp_path / "manifest.csv")] == ["female", "female", "", "male", "other"]


def test_a_speaker_of_two_sexes_is_an_error_that_names_the_lines(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.csv").write_text("path,label,speaker,sex\na.wav,glad,1,f\na.wav,sad,2,m\na.wav,sad,1,m\n")
    with pytest.raises(DataError, match=r"line 4: the speaker 1 is male, but female in line 2"):
        read_clips(tmp_path / "manifest.csv")


def test_the_synthetic_set_is_the_same_every_time(tmp_path: Path) -> None:
    one, two = write_synthetic(tmp_path / "1", 2, 1), write_synthetic(tmp_path / "2", 2, 1)
    for a, b in zip(read_clips(one), read_clips(two), strict=True):
        assert a.path.read_bytes() == b.path.read_bytes()


def test_speaker_folds_share_no_speaker_and_cover_every_clip(clips: list[Clip]) -> None:
    folds = speaker_folds(clips)
    for fold in folds:
        assert {clips[i].speaker for i in fold.train}.isdisjoint({clips[i].speaker for i in fold.test})
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(clips)))


def test_random_folds_do_share_speakers(clips: list[Clip]) -> None:
    fold = random_folds(clips)[0]
    assert {clips[i].speaker for i in fold.train} & {clips[i].speaker for i in fold.test}


def test_each_of_few_speakers_is_left_out_once_and_one_alone_is_an_error(clips: list[Clip]) -> None:
    few = [clip for clip in clips if clip.speaker in {"00", "01", "02"}]
    assert [{few[i].speaker for i in fold.test} for fold in speaker_folds(few)] == [{"00"}, {"01"}, {"02"}]
    with pytest.raises(DataError, match="2 speakers are needed; the clips are of 00"):
        speaker_folds([clip for clip in clips if clip.speaker == "00"])


def test_the_split_is_read_whatever_its_case(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).touch()
    for header in ("split", "Split", " SPLIT "):
        rows = f"path,label,speaker,{header}\na.wav,x,1,Train\nb.wav,y,2,\nc.wav,x,3, TEST \n"
        (tmp_path / "manifest.csv").write_text(rows)
        clips = read_clips(tmp_path / "manifest.csv")
        assert [clip.split for clip in clips] == ["train", "", "test"]
        assert held_out(clips).test.tolist() == [2]


@pytest.mark.parametrize(("header", "row", "said"), [
    ("split", "tset", "line 2: the split is 'tset'; it must be train, test or empty"),
    ("Split", "Validation", "line 2: the split is 'Validation'"),
    ("Test", "1", "the column test is not supported: use a column `split`"),
    ("is_train", "yes", "the column is_train is not supported"),
])  # fmt: skip
def test_no_test_clip_is_trained_on_for_an_unknown_word(tmp_path: Path, header: str, row: str, said: str) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.csv").write_text(f"path,label,speaker,{header}\na.wav,x,1,{row}\n")
    with pytest.raises(DataError, match=said):
        read_clips(tmp_path / "manifest.csv")


@pytest.mark.parametrize(("column", "values", "said"), [
    ("label", ("happy", "Happy"), "'happy' \\(line 2\\), 'Happy' \\(line 3\\)"),
    ("label", ("very sad", "very  sad"), "`label` has values"),
    ("label", ("fâché", "fa\u0302che\u0301"), "u0302"),
    ("speaker", ("anna", "Anna"), "`speaker` has values"),
    ("sex", ("F", "f"), "`sex` has values"),
])  # fmt: skip
def test_values_that_only_look_different_are_an_error_that_names_them(
    tmp_path: Path, column: str, values: tuple[str, str], said: str
) -> None:
    columns = {"path": "a.wav", "label": "x", "speaker": "1", "sex": "m"}
    rows = [",".join(columns), *(",".join({**columns, column: value}.values()) for value in values)]
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=said):
        read_clips(tmp_path / "manifest.csv")


def test_a_clip_is_never_read_whole_because_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "film.wav").touch()
    os.truncate(tmp_path / "film.wav", 20_000_000_000)
    with pytest.raises(DataError, match=r"film.wav: the file has 20,000,000,000 bytes"):
        Clip(tmp_path / "film.wav", "x", "1").read()


def test_what_macos_adds_is_no_recording(tmp_path: Path) -> None:
    ravdess_tree(tmp_path)
    for name in ("._03-01-01-01-01-01-01.wav", "__MACOSX/Actor_01/._03-01-01-01-01-01-01.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert len(read_ravdess(tmp_path).clips) == 24 * 8


def test_a_path_that_no_manifest_can_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"udce9.*not UTF-8"):
        write_clips(tmp_path / "manifest.csv", [Clip(tmp_path / os.fsdecode(b"caf\xe9.wav"), "x", "1")])
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("name", ['a b, "ü".wav', "a\nb.wav", "#a.wav", "=a.wav", "deep er/ a.wav", "a.wav"])
def test_any_path_that_a_manifest_takes_reads_back(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    clip = Clip(tmp_path / name, "glad", "1")
    write_clips(tmp_path / "m.csv", [clip])
    assert read_clips(tmp_path / "m.csv") == [clip]


@pytest.mark.parametrize("name", [" a.wav", "a.wav ", "\ta.wav", "a.wav\n", "\u00a0a.wav"])
def test_a_path_that_would_not_read_back_is_refused_and_what_is_there_stays(tmp_path: Path, name: str) -> None:
    (manifest := tmp_path / "m.csv").write_text("mine")
    with pytest.raises(DataError, match="begins or ends with a space"):
        write_clips(manifest, [Clip(tmp_path / "a.wav", "glad", "1"), Clip(tmp_path / name, "glad", "1")])
    assert manifest.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]
