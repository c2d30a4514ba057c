from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC
from training_pipeline.data import ravdess
from training_pipeline.data.facts import facts_of
from training_pipeline.identity import revision, sources
from training_pipeline.networks.pretrained.weights import PROVENANCE
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.card import (
    NOT_CALIBRATED,
    NOT_FOR,
    ON_CLIPS,
    ON_CORPORA,
    ON_SPEAKERS,
    STARTED_LICENCE,
    make_card,
)
from training_pipeline.savedmodel.card_page import card_page
from training_pipeline.savedmodel.trained import load_trained, save_trained
from training_pipeline.training.calibration import Calibration, Numbers
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job
from training_pipeline.training.train import Trained, train
from training_pipeline.training.unlikeness import Unlikeness

Card = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def trained(examples: Examples) -> Trained:
    return train(find("mlp"), examples, seed=0)


@pytest.fixture
def card(examples: Examples, trained: Trained) -> Card:
    def make(
        name: str = "unnamed",
        licence: str = "unknown",
        metrics: dict[str, Any] | None = None,
        folds: Sequence[Sequence[str]] = (),
        **changes: Any,
    ) -> dict[str, Any]:
        data = replace(examples.data, **{k: v for k, v in changes.items() if k == "clips"})
        network = replace(find("mlp"), **{k: v for k, v in changes.items() if k != "clips"})
        job = Job(network, data, facts=facts_of(data.clips, name, licence))
        return make_card(job, replace(examples, data=data), trained, metrics or {}, folds)

    return make


def test_it_names_the_test_speakers_of_its_figures(card: Card) -> None:
    measured = card(licence="none", metrics={"unheard_speakers": {}}, folds=[("00", "03"), ("01", "02", "04")])
    assert measured["folds"] == [["00", "03"], ["01", "02", "04"]]
    assert measured["licences"] == {"data": "none", "weights": "none", "code": "Apache-2.0"}
    assert card()["folds"] == []


def test_recordings_of_ravdess_bring_their_licence_and_source(card: Card, examples: Examples) -> None:
    names = [f"03-01-{n % 8 + 1:02d}-01-01-01-{n % 24 + 1:02d}.flac" for n in range(len(examples.clips))]
    clips = [replace(clip, path=Path(name)) for clip, name in zip(examples.clips, names, strict=True)]
    known = card(clips=clips)
    assert known["data"]["name"] == "RAVDESS speech"
    assert known["data"]["licence"] == known["licences"]["weights"] == "CC BY-NC-SA 4.0, non-commercial"
    assert known["data"]["source"] == ravdess.CITATION
    assert "acted North American English" in known["intended_use"]
    mixed = card(clips=[*clips[1:], examples.clips[0]])
    assert mixed["licences"]["weights"] == ravdess.LICENCE
    assert "North American" not in mixed["intended_use"]
    assert card(clips=clips, name="ours", licence="agreed with its makers")["licences"]["data"] == (
        "agreed with its makers"
    )


def test_other_recordings_are_not_called_ravdess(card: Card) -> None:
    other = card("calls", "ours")
    assert (other["data"]["name"], other["data"]["licence"], other["data"]["source"]) == ("calls", "ours", "")
    assert "North American" not in other["intended_use"]


def test_pretrained_weights_name_their_makers_and_licences(card: Card) -> None:
    assert card()["pretrained"] == {}
    assert "| starts from | random weights |" in card_page(card())
    provenance = find("whisper").provenance
    tuned = card(provenance=provenance)
    assert tuned["pretrained"] == PROVENANCE
    page = card_page(tuned)
    assert all(text in page for text in ("Whisper-tiny (OpenAI), MIT", "BSD-2-Clause", PROVENANCE["sha256"]))


@pytest.mark.parametrize(
    ("licence", "before", "said"),
    [
        ("unknown", "unknown; CC BY 4.0", "unknown; CC BY 4.0"),
        ("ours", "unknown; CC BY 4.0", "ours; unknown; CC BY 4.0"),
        ("ours", "ours", "ours"),
        ("ours", "", "ours"),
    ],
)
def test_a_licence_is_named_once(card: Card, licence: str, before: str, said: str) -> None:
    made = card(licence=licence, provenance=lambda: {STARTED_LICENCE: before})
    assert made["licences"]["weights"] == said


@pytest.mark.parametrize(("kept", "method"), [(2, ON_SPEAKERS), (1, ON_CLIPS), (0, NOT_CALIBRATED)])
def test_it_says_how_its_temperature_was_found(examples: Examples, tmp_path: Path, kept: int, method: str) -> None:
    # Two speakers, one speaker, or one clip of each emotion, from which there is no temperature.
    clips = examples.clips
    own = [i for i, clip in enumerate(clips) if clip.speaker in ("00", "01")[: max(kept, 1)]]
    if not kept:
        own = [next(i for i in own if clips[i].emotion == emotion) for emotion in examples.emotions]
    few = examples.subset(np.array(own))
    trained = train(find("mlp"), few, seed=0)
    made = make_card(Job(find("mlp"), few.data), few, trained, {})
    assert made["calibration"] == {"method": method, "temperature": trained.temperature}
    save_trained(trained, SEED_SPEC.frames, SEED_SPEC.bins, tmp_path / "trained")
    assert load_trained(tmp_path / "trained").method == trained.method


def test_it_says_what_the_figures_mean_and_what_it_is_not_for(card: Card) -> None:
    made = json.loads(json.dumps(card(metrics={"unheard_speakers": {}})))
    page = card_page(made)
    assert made["not_for"] == list(NOT_FOR)
    assert made["figures_mean"] in page
    assert all(f"- {use}\n" in page for use in NOT_FOR)
    assert "AI Act" in page
    assert "lie or mood detector" in page


def test_without_an_evaluation_it_says_that_there_are_no_figures(card: Card) -> None:
    made = card()
    assert "It was trained without an evaluation: there are none." in card_page(made)
    assert made["figures_mean"] not in card_page(made)


def test_it_names_the_sources_that_it_was_made_with(card: Card) -> None:
    made = card()
    assert made["sources"] == sources("speech_emotion", "training_pipeline")[:16]
    assert made["revision"] == revision()
    assert made["software"].keys() >= {"python", "tensorflow", "scipy"}


def test_it_says_how_a_model_of_several_corpora_was_calibrated(examples: Examples, trained: Trained) -> None:
    clips = [replace(clip, corpus=("one", "other")[n % 2]) for n, clip in enumerate(examples.clips)]
    several = replace(examples, data=replace(examples.data, clips=clips))
    windows, _ = several.windows()
    unlikeness = Unlikeness.of(windows, several.per_window(np.array([clip.corpus for clip in clips])))
    numbers = Numbers(np.array([0.5, 2.0]), 0.25, 2.0)
    calibrated = replace(trained, temperature=Calibration(numbers, unlikeness))
    made = make_card(Job(find("mlp"), several.data), several, calibrated, {})
    assert made["calibration"] == {
        "method": ON_CORPORA,
        "temperature": pytest.approx(1.0),
        "temperatures": {"one": 0.5, "other": 2.0},
        "exponent": 0.25,
        "sharpness": 2.0,
    }
    assert "| temperature | one 0.500, other 2.000, times (1 + least distance) ** 0.250; temp" in card_page(made)
