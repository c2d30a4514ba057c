"""The small network on weights made up by arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from speech_emotion.features import WHISPER_SPEC
from tests.training_pipeline.networks.made_up import RECIPE, made_up
from training_pipeline.networks.edge.factors import CONVOLUTION, build_factored, factor, load_factors
from training_pipeline.networks.edge.fit import ask, fit, groups_of, views_of
from training_pipeline.networks.edge.recipe import Student
from training_pipeline.networks.eight_bits import LEAST, rounded
from training_pipeline.networks.pretrained import optimise
from training_pipeline.networks.pretrained.encoder import MATRICES, WIDTH, build_encoder
from training_pipeline.networks.pretrained.fit import Lesson
from training_pipeline.networks.whisper.fit import fit as fit_teacher
from training_pipeline.savedmodel.export import export
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.savedmodel.trained import load_trained, save_trained
from training_pipeline.training.train import Trained

STUDENT = Student(
    teacher=RECIPE,
    ranks=dict.fromkeys((CONVOLUTION, *MATRICES), 8),
    measured=4,
    head=replace(RECIPE, blocks=1, frozen_blocks=0, attention_width=4, hidden=8),
    views=2,
    tuning=replace(RECIPE.tuning, mixup_share=0.25),
)


def factored(ranks: int, windows: np.ndarray) -> keras.Model:
    encoder = build_factored(dict.fromkeys((CONVOLUTION, *MATRICES), ranks), 25)
    load_factors(encoder, made_up(), windows)
    return encoder


def test_of_full_rank_the_factored_encoder_is_the_encoder(windows) -> None:
    for expected, state in zip(
        build_encoder(made_up(), 1)(windows[0]), factored(WIDTH, windows[0])(windows[0]), strict=True
    ):
        np.testing.assert_allclose(np.asarray(state), np.asarray(expected), atol=1e-4)


def test_factors_are_chosen_for_the_windows(windows) -> None:
    # Windows of few directions need few inner values; measured on others, the same number does worse.
    random = np.random.default_rng(2)
    flat = (random.normal(size=(6, 50, 2)) @ random.normal(size=(2, 80))).astype(np.float32)
    expected = np.asarray(build_encoder(made_up(), 1)(flat)[0])
    own, other = (np.abs(np.asarray(factored(16, seen)(flat)[0]) - expected).mean() for seen in (flat, windows[0]))
    assert own < 0.8 * other


def test_factors_keep_what_inputs_use_and_outputs_need() -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(6, 5)).astype(np.float32)
    inputs = random.normal(size=(100, 2)) @ random.normal(size=(2, 6))  # of rank 2
    first, second = factor(matrix, inputs.T @ inputs, 2, np.ones(5))
    np.testing.assert_allclose(inputs @ first @ second, inputs @ matrix, atol=1e-3)
    anything = random.normal(size=(100, 6))
    first, second = factor(matrix, anything.T @ anything, 1, np.array([1e4, 1, 1, 1, 1]))
    np.testing.assert_allclose((first @ second)[:, 0], matrix[:, 0], atol=1e-3)


def test_the_teacher_is_asked_about_every_view(windows) -> None:
    teacher = fit_teacher(*windows, 3, 0, None, RECIPE, made_up())
    views, answers = ask(teacher, windows[0][:3], np.array([2, 1, 3]), STUDENT, 0)
    assert views.shape == (6, RECIPE.crop_frames, 80)
    expected = np.exp(np.asarray(teacher(views)))
    np.testing.assert_allclose(answers, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)
    assert np.abs(views[0] - views[1]).max() > 0.01


def test_a_window_that_weighs_less_has_fewer_views() -> None:
    rows = np.array([[2, 0, -1], [0, 1, -1], [0.1, 0.1, 0.1]], np.float32)
    lesson = Lesson(np.zeros((3, 50, 80), np.float32), rows, 3, 0)
    np.testing.assert_array_equal(views_of(lesson, replace(STUDENT, views=4)), [4, 2, 1])
    np.testing.assert_array_equal(views_of(replace(lesson, y=np.array([0, 1, 2])), STUDENT), [2, 2, 2])


def test_a_student_learns_shares_from_a_teacher_of_another_encoder(windows) -> None:
    rows = np.eye(3, dtype=np.float32)[windows[1]] * np.repeat([[1.5], [0.5]], 6, axis=0)
    rows[6:, 1] = np.where(rows[6:, 1] > 0, rows[6:, 1], -1)
    tuning = replace(STUDENT.tuning, epochs=1, drawn=8)
    teacher = replace(RECIPE, kept_copies=1, tuning=replace(RECIPE.tuning, epochs=1, drawn=8))
    student = replace(STUDENT, teacher=teacher, tuning=tuning)
    model = fit(windows[0], rows, 3, 0, None, student, made_up(), made_up(width=64))
    start = fit(windows[0], rows, 3, 0, None, replace(student, tuning=replace(tuning, epochs=0)), made_up())
    answers = np.asarray(model(windows[0]))
    assert np.isfinite(answers).all()
    assert np.abs(answers - np.asarray(start(windows[0]))).max() > 1e-4


def test_everything_learns_and_the_encoder_slower(windows) -> None:
    model = fit(*windows, 3, 0, None, replace(STUDENT, tuning=replace(STUDENT.tuning, epochs=0)), made_up())
    (slow, encoder), (fast, rest) = groups_of(model, STUDENT)
    assert slow < fast
    learning = {variable.path for variable in (*encoder, *rest)}
    assert learning == {variable.path for variable in model.trainable_variables}
    assert len(encoder) + len(rest) == len(model.trainable_variables)


@pytest.mark.slow
def test_a_student_comes_to_answer_views_as_its_teacher_does(windows) -> None:
    x, y = windows
    tuning = replace(STUDENT.tuning, epochs=8, rate=5e-3, mixup_share=0.0)
    student = replace(STUDENT, trust=1.0, averaging=0.0, head=replace(STUDENT.head, dropout=0.0), tuning=tuning)
    views, answers = ask(fit_teacher(x, y, 3, 0, None, RECIPE, made_up()), x, np.full(len(x), 2), student, 0)

    def distance(epochs: int) -> float:
        taught = fit(x, y, 3, 0, None, replace(student, tuning=replace(tuning, epochs=epochs)), made_up())
        return float(keras.losses.KLDivergence()(answers, tf.nn.softmax(taught(views))))

    assert distance(8) < 0.5 * distance(0)


def test_a_student_can_be_kept_and_exported_by_another_process(windows, tmp_path: Path) -> None:
    student = replace(STUDENT, tuning=replace(STUDENT.tuning, epochs=0))
    trained = Trained(fit(*windows, 8, 0, None, student, made_up()), 1.5)
    save_trained(trained, WHISPER_SPEC.frames, WHISPER_SPEC.bins, tmp_path / "trained")
    emotions = tuple("abcdefgh")
    export(load_trained(tmp_path / "trained"), WHISPER_SPEC, emotions, {}, tmp_path / "servable")
    x = np.random.default_rng(3).normal(0, 0.5, (2, WHISPER_SPEC.frames, WHISPER_SPEC.bins)).astype(np.float32)
    np.testing.assert_allclose(
        ServableModel(tmp_path / "servable").windows(x), trained.predict([x[:1], x[1:]]), atol=1e-5
    )
    assert (tmp_path / "servable" / "saved_model.pb").stat().st_size < 2.5 * trained.model.count_params()


def test_what_is_not_taught_has_no_teacher(windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    start = replace(STUDENT, tuning=replace(STUDENT.tuning, epochs=0))
    model = fit(*windows, 3, 0, tmp_path, start, made_up())
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["model.npz"]
    assert model(np.zeros((2, 401, 80), np.float32)).shape == (2, 3)
    for variable in model.variables:
        values = np.asarray(variable)
        if values.ndim > 1 and values.size >= LEAST:
            integers, factors = rounded(values)
            np.testing.assert_array_equal(integers * factors, values)


@pytest.mark.slow
def test_an_interrupted_student_ends_at_the_numbers_of_an_unbroken_one(
    windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = windows
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    unbroken = np.asarray(fit(x, y, 3, 0, None, STUDENT, made_up())(x))
    save = optimise.save

    def save_and_stop(path: Path, variables: list[object], epoch: int) -> None:
        save(path, variables, epoch)
        if "teacher" not in path.parts:
            raise KeyboardInterrupt

    monkeypatch.setattr(optimise, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, 3, 0, tmp_path, STUDENT, made_up())
    monkeypatch.setattr(optimise, "save", save)
    assert sorted(path.name for path in tmp_path.rglob("*.npz")) == ["checkpoint.npz", "model.npz"]
    for _ in range(2):  # going on, and reading what is done
        np.testing.assert_array_equal(np.asarray(fit(x, y, 3, 0, tmp_path, STUDENT, made_up())(x)), unbroken)
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["model.npz"] * 2
