"""The small network, on windows and encoder weights made up by arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training_pipeline.networks.test_whisper import RECIPE, made_up
from training_pipeline.networks import edge
from training_pipeline.networks.whisper import fit as teacher
from training_pipeline.networks.whisper import optimise
from training_pipeline.networks.whisper.recipe import Stage

STAGE = Stage(2, 4, 2e-3, 0.05, mixup_alpha=0.4, mixup_share=0.5, fused=False)
STUDENT = edge.Student(teacher=RECIPE, channels=16, views=2, training=STAGE)


@pytest.fixture(scope="module")
def windows() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(1).normal(0, 0.5, (12, 50, 80)).astype(np.float32)
    return x, np.arange(12) % 3


def test_it_has_a_quarter_of_a_million_parameters(windows) -> None:
    assert 200_000 < edge.build(8, edge.Student(), windows[0]).count_params() < 260_000


@pytest.mark.parametrize("frames", [49, 352, 401])
def test_windows_of_any_length_are_answered(windows, frames: int) -> None:
    model = edge.build(8, STUDENT, windows[0])
    assert model(np.zeros((2, frames, 80), np.float32)).shape == (2, 8)


def test_the_teacher_is_asked_about_what_the_student_hears(windows) -> None:
    large = teacher.fit(*windows, 3, 0, None, RECIPE, made_up())
    views, answers = edge.ask(large, windows[0], STUDENT, 0)
    assert views.shape == (24, RECIPE.crop_frames, 80)
    logits = np.asarray(large(views))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(answers, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_it_takes_over_what_its_teacher_says_against_the_labels(windows, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = windows
    contrary = np.eye(3, dtype=np.float32)[(y + 1) % 3]
    monkeypatch.setattr(teacher, "fit", lambda *_: None)
    monkeypatch.setattr(edge, "ask", lambda *_: (x, contrary))
    training = replace(STAGE, epochs=60, mixup_share=0.0)
    student = replace(STUDENT, views=1, trust=1.0, training=training)
    predicted = np.asarray(edge.fit(x, y, 3, 0, None, student)(x)).argmax(axis=1)
    assert (predicted == (y + 1) % 3).mean() > 0.9


def test_an_interrupted_fit_ends_at_the_numbers_of_an_unbroken_one(
    windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    unbroken = np.asarray(edge.fit(*windows, 3, 0, tmp_path / "one", STUDENT, made_up())(windows[0]))
    save = optimise.save

    def save_and_stop(path: Path, variables: list[object], epoch: int) -> None:
        save(path, variables, epoch)
        raise KeyboardInterrupt

    monkeypatch.setattr(optimise, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        edge.fit(*windows, 3, 0, tmp_path / "two", STUDENT, made_up())
    assert list(tmp_path.glob("two/**/*.npz"))
    with pytest.raises(KeyboardInterrupt):
        edge.fit(*windows, 3, 0, tmp_path / "two", STUDENT, made_up())
    monkeypatch.setattr(optimise, "save", save)
    resumed = np.asarray(edge.fit(*windows, 3, 0, tmp_path / "two", STUDENT, made_up())(windows[0]))
    np.testing.assert_array_equal(resumed, unbroken)
    monkeypatch.setattr(edge, "ask", lambda *_: pytest.fail("a done fit is read, its teacher not asked again"))
    again = np.asarray(edge.fit(*windows, 3, 0, tmp_path / "two", STUDENT, made_up())(windows[0]))
    np.testing.assert_array_equal(again, unbroken)
