"""Tuning on kept states of the frozen blocks, beside the whole network on the same crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training_pipeline.networks.made_up import RECIPE, made_up
from training_pipeline.networks.pretrained import kept
from training_pipeline.networks.pretrained.augment import Augmentation
from training_pipeline.networks.pretrained.encoder import build_encoder
from training_pipeline.networks.pretrained.fit import train_stage
from training_pipeline.networks.pretrained.kept import KeptStates, copies_of, upper_part
from training_pipeline.networks.pretrained.model import build_head, build_model, learning_groups
from training_pipeline.networks.pretrained.optimise import soft_targets
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.pretrained.statistics import frozen_statistics, moments

WEIGHTS = made_up(width=64)
KEPT = replace(RECIPE, kept_copies=2, dropout=0.0, tuning=replace(RECIPE.tuning, mixup_share=0.0))


def same_window(_: Augmentation, window: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """In place of an augmentation: the window, whatever is drawn; a crop of all frames is the window too."""
    del random
    return window


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples are the windows themselves, and states are kept without rounding."""
    monkeypatch.setattr(Augmentation, "__call__", same_window)
    monkeypatch.setattr(kept, "KEPT_AS", np.float32)


def whole_model(x: np.ndarray, recipe: Recipe) -> keras.Model:
    keras.utils.set_random_seed(0)
    states = moments(frozen_statistics(build_encoder(WEIGHTS, recipe.blocks), x, 0, 40, None))
    return build_model(WEIGHTS, build_head(recipe, 3, 64), recipe, states)


def examples(x: np.ndarray, recipe: Recipe, cache: Path | None = None, copy: int = 0) -> np.ndarray:
    return KeptStates(WEIGHTS, x, recipe, cache)(np.arange(len(x)), np.full(len(x), copy))


@pytest.mark.parametrize("frozen_blocks", [0, 1, 2])
@pytest.mark.usefixtures("unchanged")
def test_the_upper_part_answers_to_kept_states_what_the_whole_model_answers_to_windows(
    windows, frozen_blocks: int
) -> None:
    x, recipe = windows[0], replace(KEPT, frozen_blocks=frozen_blocks, crop_frames=50)
    model = whole_model(x, recipe)
    answer = upper_part(model, recipe)(examples(x, recipe))
    np.testing.assert_allclose(np.asarray(answer), np.asarray(model(x)), atol=1e-4)


@pytest.mark.usefixtures("unchanged")
def test_tuning_on_kept_states_ends_where_tuning_through_the_whole_network_does(windows) -> None:
    (x, y), recipe = windows, replace(KEPT, crop_frames=50)
    targets = soft_targets(y, 3, recipe.smoothing)
    states = examples(x, recipe)
    one, other = whole_model(x, recipe), whole_model(x, recipe)
    before = np.asarray(one(x))
    for model, learning, inputs in ((one, one, x), (other, upper_part(other, recipe), states)):
        groups = learning_groups(model, recipe)
        train_stage(learning, groups, recipe.tuning, recipe, lambda chosen, _, i=inputs: i[chosen], targets, 0)
    assert np.abs(np.asarray(one(x)) - before).max() > 1e-3
    np.testing.assert_allclose(np.asarray(other(x)), np.asarray(one(x)), atol=1e-4)


def test_half_precision_changes_answers_by_thousandths(windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Augmentation, "__call__", same_window)
    x, recipe = windows[0], replace(KEPT, crop_frames=50)
    model = whole_model(x, recipe)
    whole = np.asarray(model(x))
    assert np.abs(np.asarray(upper_part(model, recipe)(examples(x, recipe))) - whole).max() < 5e-3 * np.abs(whole).max()


def test_copies_differ_and_one_that_was_deleted_is_computed_again_as_the_same(windows, tmp_path: Path) -> None:
    x = windows[0][:2]
    first, second = (examples(x, KEPT, tmp_path, copy) for copy in (0, 1))
    assert first.shape == (2, 2 + 20, 64)
    assert np.abs(first - second).max() > 0.01
    files = sorted(tmp_path.rglob("*.npy"))
    assert len(files) == 4
    files[0].unlink()
    np.testing.assert_array_equal(examples(x, KEPT, tmp_path, 0), first)
    np.testing.assert_array_equal(examples(x, KEPT, tmp_path, 1), second)


def test_states_of_another_encoder_are_kept_apart(windows, tmp_path: Path) -> None:
    x, other = windows[0][:1], made_up(width=64)
    other["conv1.bias"] = other["conv1.bias"] + 1
    first = examples(x, KEPT, tmp_path)
    changed = KeptStates(other, x, KEPT, tmp_path)(np.array([0]), np.array([0]))
    assert np.abs(first - changed).max() > 0.01


def test_a_window_has_a_copy_for_each_time_that_it_is_heard_up_to_the_most() -> None:
    recipe = replace(KEPT, kept_copies=6, tuning=replace(KEPT.tuning, epochs=7))
    np.testing.assert_array_equal(copies_of(np.array([1.5, 0.3, 0.01]), 3, recipe), [6, 2, 1])
    np.testing.assert_array_equal(copies_of(None, 2, recipe), [6, 6])
