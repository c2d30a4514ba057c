from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.clips import Clip, read_clips, write_clips
from training_pipeline.data.dataset import read_data
from training_pipeline.data.folds import random_folds, speaker_folds
from training_pipeline.data.ravdess import EMOTIONS, FOLDS, read_ravdess
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


def test_skipped_files_are_told_with_their_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (ravdess_tree(tmp_path) / "readme.txt").touch()
    assert len(read_data(tmp_path).clips) == 24 * 8
    assert "1 other files skipped" in caplog.text


def test_an_emotion_with_fewer_clips_than_folds_is_an_error(clips: list[Clip]) -> None:
    rare = [clip for clip in clips if clip.emotion != "calm"] + [clip for clip in clips if clip.emotion == "calm"][:2]
    with pytest.raises(DataError, match="fewer of calm"):
        random_folds(rare)


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
        ("path,label,speaker\nmissing.wav,x,1\n", "line 2: missing.wav is not there"),
        ("path,label,speaker\na.wav\n", "line 2: label, speaker is empty"),
    ],
)
def test_a_bad_manifest_is_an_error_that_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match=message):
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


def test_too_few_speakers_are_an_error(clips: list[Clip]) -> None:
    with pytest.raises(DataError, match="need as many speakers"):
        speaker_folds([clip for clip in clips if clip.speaker in {"00", "01"}])
