"""The recordings that ship are what their index and their README say, and chosen as those promise."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_emotion.samples import FOLDER, INDEX, Sample, UnknownSampleError, find_sample, samples
from training_pipeline.data.ravdess import clip_of

ROOT = Path(__file__).parents[2]
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
ALL = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)


def held_out(clip: str) -> list[tuple[str, float]]:
    """What a `whisper-base` network that had not heard the actor said: emotion and the right one's probability."""
    with (ROOT / "models" / "evaluation" / "whisper-base" / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["clip"] == clip]
    return [(row["predicted"], float(row[f"p_{row['label']}"])) for row in rows]


@ALL
def test_a_sample_is_short_speech_with_its_licence(sample: Sample) -> None:
    info = soundfile.info(io.BytesIO(sample.read()))
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16_000, 1)
    assert 3 < info.duration < 6
    assert sample.licence == "CC BY-NC-SA 4.0"
    assert sample.attribution.startswith("Livingstone SR, Russo FA (2018)")


@ALL
def test_its_source_says_the_same_as_the_index(sample: Sample) -> None:
    channel, _, _, strong, sentence, _, actor = Path(sample.source).stem.split("-")[0:7]
    named = clip_of(Path(sample.source))
    assert named is not None
    assert (named.emotion, named.speaker, named.sex) == (sample.emotion, sample.actor, sample.sex)
    assert (channel, SENTENCES[sentence], actor) == ("03", sample.sentence, sample.actor)
    assert sample.intensity == {"01": "normal", "02": "strong"}[strong]


@ALL
def test_a_network_that_had_not_heard_the_actor_was_sure_and_right(sample: Sample) -> None:
    [(emotion, probability)] = held_out(Path(sample.source).stem)
    assert emotion == sample.emotion
    assert probability == sample.held_out_confidence > 0.9


@ALL
def test_it_is_the_recording_that_it_is_said_to_be(sample: Sample, ravdess_dir: Path) -> None:
    (original,) = ravdess_dir.glob(f"**/{Path(sample.source).stem}.*")
    np.testing.assert_array_equal(
        soundfile.read(io.BytesIO(sample.read()), dtype="int16")[0], soundfile.read(original, dtype="int16")[0]
    )


def test_the_index_has_every_recording_and_together_they_are_small() -> None:
    entries = json.loads((FOLDER / INDEX).read_text())["samples"]
    assert [Sample(**entry) for entry in entries] == list(samples())
    assert {path.name for path in FOLDER.glob("*.flac")} == {sample.file for sample in samples()}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 500_000
    assert FOLDER.resolve() == ROOT / "samples"


def test_emotions_and_people_differ_and_are_in_no_test_of_recorded_answers() -> None:
    assert (
        len({sample.emotion for sample in samples()}) == len({sample.actor for sample in samples()}) == len(samples())
    )
    assert {sample.sex for sample in samples()} == {"female", "male"}
    actors = defaultdict(set)
    for path in ROOT.glob("tests/**/*.py"):
        for actor in re.findall(r"\b03-01-0\d-0\d-0\d-0\d-(\d\d)\b", path.read_text()):
            actors[actor].add(path.name)
    heard = {sample.actor: actors[sample.actor] for sample in samples() if sample.actor in actors}
    assert {actor: files - {"test_data.py", "test_facts.py"} for actor, files in heard.items()} == {}


def test_the_table_of_the_readme_is_the_index() -> None:
    rows = re.findall(r"^\| `.+", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert rows == [
        f"| `{one.file}` | {one.emotion}, {one.intensity} | {one.sentence} | {one.actor}, {one.sex} | `{one.source}` "
        f"| {int(one.held_out_confidence * 1000) / 10}% |"
        for one in samples()
    ]


def test_a_name_that_is_none_gets_the_names() -> None:
    with pytest.raises(UnknownSampleError, match="no sample 'glad'; there are happy, sad, angry, fearful, calm"):
        find_sample("glad")
