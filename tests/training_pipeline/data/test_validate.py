from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.clips import RATE, encode, tone
from training_pipeline.data.clips import Clip, read_clips
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.ravdess import EMOTIONS as RAVDESS_EMOTIONS
from training_pipeline.data.readers import read_data
from training_pipeline.data.synthetic import EMOTIONS
from training_pipeline.data.validate import Findings, require_sound
from training_pipeline.data.validate import validate as validate_set
from training_pipeline.errors import DataError


def validate(clips: Sequence[Clip], emotions: tuple[str, ...] = EMOTIONS) -> Findings:
    return validate_set(DataSet(clips, emotions))


def digest_of(clips: Sequence[Clip]) -> str:
    return DataSet(clips, EMOTIONS).digest


@pytest.fixture
def own(manifest: Path, tmp_path: Path) -> list[Clip]:
    """A copy of the synthetic set, to break."""
    shutil.copytree(manifest.parent, tmp_path / "data")
    return read_clips(tmp_path / "data" / "manifest.csv")


def test_a_sound_set_has_no_errors(clips: list[Clip]) -> None:
    found = validate(clips)
    found.require()
    assert (found.errors, found.warnings) == ({}, {})
    assert found.per_emotion == dict.fromkeys(EMOTIONS, 10)
    assert found.per_speaker == {f"{n:02d}": 6 for n in range(5)}
    assert "| calm | 10 |" in found.to_markdown()


def test_unreadable_silent_and_clipped_files_are_named(own: list[Clip]) -> None:
    own[0].path.write_bytes(b"RIFF")
    own[1].path.write_bytes(encode(np.zeros(RATE)))
    own[2].path.write_bytes(encode(np.sign(np.sin(np.arange(RATE) / 9.0)) * 1.0))
    found = validate(own)
    assert own[0].path.name in found.errors["unreadable"][0]
    assert found.errors["silent"] == [str(own[1].path)]
    assert found.warnings["clipped"] == [str(own[2].path)]
    with pytest.raises(DataError, match=r"unreadable: .*00-calm-0\.wav.*; silent"):
        found.require()


def test_one_speakers_same_take_twice_is_a_warning_any_other_duplicate_stops(own: list[Clip]) -> None:
    shutil.copy(own[0].path, own[1].path)  # both takes of speaker 00, calm
    found = validate(own)
    assert found.errors == {}
    assert found.warnings["duplicate audio"] == [f"{own[0].path} = {own[1].path}"]
    samples, rate = soundfile.read(own[0].path)
    other = next(clip for clip in own if clip.emotion != own[0].emotion)
    soundfile.write(other.path, samples, rate, format="FLAC")  # the same sound in other bytes
    (names,) = validate(own).errors["duplicate audio of another emotion, speaker or split"]
    assert other.path.name in names


def test_speakers_in_two_splits_are_named(clips: list[Clip]) -> None:
    split = [replace(clip, split="test" if n % 4 == 0 else "train") for n, clip in enumerate(clips)]
    assert "00" in validate(split).errors["speakers in more than one split"]


def test_an_empty_split_is_that_of_training(own: list[Clip]) -> None:
    shutil.copy(own[0].path, own[1].path)  # both takes of one speaker and emotion
    held_out = own[-1].speaker
    split = [replace(c, split="test" if c.speaker == held_out else ("", "train")[n % 2]) for n, c in enumerate(own)]
    found = validate(split)
    assert found.errors == {}
    assert found.warnings["duplicate audio"] == [f"{own[0].path} = {own[1].path}"]


def test_a_missing_emotion_is_named(clips: list[Clip]) -> None:
    found = validate([clip for clip in clips if clip.emotion != "angry"])
    assert found.errors["no clip to train on of the emotion"] == ["angry"]
    assert found.errors["no clip to test on of the emotion"] == ["angry"]
    assert found.per_emotion["angry"] == 0


def test_too_few_speakers_stop(clips: list[Clip]) -> None:
    found = validate([clip for clip in clips if clip.speaker in {"00", "01"}])
    assert found.errors == {"fewer than 3 speakers": ["00", "01"]}


def test_the_known_pair_of_ravdess_is_a_warning(ravdess_dir: Path) -> None:
    pair = [ravdess_dir / f"03-01-03-01-02-0{n}-07.flac" for n in (1, 2)]
    clips = [clip for clip in read_data(ravdess_dir).clips if clip.path in pair]
    assert len(validate(clips, RAVDESS_EMOTIONS).warnings["duplicate audio"]) == 1


def test_the_digest_follows_content_and_rows_not_places(own: list[Clip], clips: list[Clip]) -> None:
    assert digest_of(own) == digest_of(clips)
    assert digest_of([replace(own[0], emotion="x"), *own[1:]]) != digest_of(clips)
    assert digest_of([replace(own[0], votes=(("x", 1),)), *own[1:]]) != digest_of(clips)
    assert digest_of([*own[1:], own[0]]) != digest_of(clips), "features are kept in the order of rows"
    assert DataSet(own, EMOTIONS[::-1]).digest != digest_of(clips), "outputs are in the order of emotions"
    own[0].path.write_bytes(tone())
    assert digest_of(own) != digest_of(clips)


def test_held_out_speakers_are_those_of_the_split_or_of_a_fold(clips: list[Clip]) -> None:
    split = [replace(clip, split="test" if clip.speaker == "03" else "train") for clip in clips]
    assert {clips[i].speaker for i in DataSet(split, EMOTIONS).split.test} == {"03"}
    assert {clips[i].speaker for i in DataSet(clips, EMOTIONS).split.test} == {"00"}
    with pytest.raises(DataError, match="none is left"):
        _ = DataSet([replace(clip, split="test") for clip in clips], EMOTIONS).split


def test_a_file_with_a_part_that_cannot_be_decoded_is_a_warning(own: list[Clip]) -> None:
    samples, rate = soundfile.read(own[0].path)
    flac = io.BytesIO()
    soundfile.write(flac, samples, rate, format="FLAC")
    broken = bytearray(flac.getvalue())
    broken[len(broken) // 2 : len(broken) // 2 + 300] = bytes(300)
    own[0].path.write_bytes(broken)
    found = validate(own)
    assert (found.errors, list(found.warnings)) == ({}, ["damaged: a part cannot be decoded"])


def test_a_set_that_is_small_is_sound_if_its_recordings_are(own: list[Clip], caplog: pytest.LogCaptureFixture) -> None:
    one = [clip for clip in own if clip.speaker == "00"]
    require_sound(DataSet(one, EMOTIONS))
    assert caplog.text == ""
    shutil.copy(one[0].path, one[1].path)
    require_sound(DataSet(one, EMOTIONS))
    assert "duplicate audio" in caplog.text
    one[2].path.write_bytes(encode(np.zeros(RATE)))
    with pytest.raises(DataError, match=f"silent: {one[2].path}"):
        require_sound(DataSet(one, EMOTIONS))
