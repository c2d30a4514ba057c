"""The fine-tuned encoder on weights made up by arithmetic; the real ones come from a download."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from speech_emotion.features import WHISPER_SPEC
from tests.training_pipeline.networks.made_up import RECIPE, made_up
from training_pipeline.networks.pretrained import optimise
from training_pipeline.networks.pretrained.encoder import WIDTH, build_encoder
from training_pipeline.networks.pretrained.fit import Lesson
from training_pipeline.networks.pretrained.model import AttentiveStatistics, build_head, build_model, learning_groups
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.pretrained.statistics import frozen_statistics, head_inputs, moments
from training_pipeline.networks.pretrained.weights import Weights
from training_pipeline.networks.whisper import fit as fitting
from training_pipeline.networks.whisper.fit import fit
from training_pipeline.networks.whisper.recipe import RECIPES, TRIALS
from training_pipeline.savedmodel.export import export
from training_pipeline.training.train import Trained


def by_hand(x: np.ndarray, weights: Weights) -> np.ndarray:
    """The first block in plain numpy, one clip and one head at a time."""
    own = {name.removeprefix("layers.0."): value.astype(np.float64) for name, value in weights.items()}

    def norm(values: np.ndarray, name: str) -> np.ndarray:
        centred = values - values.mean(-1, keepdims=True)
        return centred / np.sqrt(values.var(-1, keepdims=True) + 1e-5) * own[f"{name}.weight"] + own[f"{name}.bias"]

    def dense(values: np.ndarray, name: str) -> np.ndarray:
        return values @ own[f"{name}.weight"] + own.get(f"{name}.bias", 0)

    inner = norm(x, "self_attn_layer_norm")
    query, key, value = (dense(inner, f"self_attn.{name}_proj") for name in ("q", "k", "v"))
    mixed = np.empty_like(value)
    for start in range(0, x.shape[-1], 64):
        part = slice(start, start + 64)
        scores = np.exp(query[:, part] @ key[:, part].T / 8)
        mixed[:, part] = scores / scores.sum(-1, keepdims=True) @ value[:, part]
    x = x + dense(mixed, "self_attn.out_proj")
    hidden = dense(norm(x, "final_layer_norm"), "fc1")
    erf = np.vectorize(math.erf)
    return x + dense(hidden * 0.5 * (1 + erf(hidden / np.sqrt(2))), "fc2")


@pytest.mark.parametrize("width", [WIDTH, 512])
def test_a_block_computes_attention_and_feed_forward_as_written_out(windows, width: int) -> None:
    weights = made_up(width=width)
    states = [np.asarray(state) for state in build_encoder(weights, 1)(windows[0][:1])]
    assert [state.shape for state in states] == [(1, 25, width)] * 2
    np.testing.assert_allclose(states[1][0], by_hand(states[0][0].astype(np.float64), weights), atol=1e-5)


@pytest.mark.parametrize("frames", [49, 50, 401])
def test_every_second_frame_becomes_a_position(frames: int) -> None:
    states = build_encoder(made_up(), 1)(np.zeros((1, frames, 80), np.float32))
    assert states[0].shape == (1, (frames + 1) // 2, WIDTH)


def test_equal_attention_is_mean_and_deviation() -> None:
    x = np.random.default_rng(0).normal(2, 3, (4, 30, 5)).astype(np.float32)
    pooled = np.asarray(AttentiveStatistics(7)(x))
    np.testing.assert_allclose(pooled, np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1), atol=1e-4)


def test_the_heads_start_sees_what_the_whole_model_will_hand_it(windows) -> None:
    weights, head = made_up(), build_head(RECIPE, 3)
    statistics = frozen_statistics(build_encoder(weights, RECIPE.blocks), windows[0], 0, 40, None)
    states = moments(statistics)
    model = build_model(weights, head, RECIPE, states)
    expected = np.asarray(head(head_inputs(statistics, states)))
    np.testing.assert_allclose(np.asarray(model(windows[0])), expected, atol=1e-4)


def test_moments_are_those_of_all_windows_and_frames(windows) -> None:
    encoder = build_encoder(made_up(), 1)
    statistics = frozen_statistics(encoder, windows[0], 0, 40, None)
    state = np.asarray(encoder(windows[0])[1]).reshape(-1, WIDTH)
    np.testing.assert_allclose(moments(statistics)[1], [state.mean(axis=0), state.std(axis=0)], atol=1e-4)


def test_statistics_are_kept_for_one_encoder_alone(windows, tmp_path: Path) -> None:
    one, other = made_up(), made_up()
    other["conv1.bias"] = other["conv1.bias"] + 1
    x = windows[0][:2]
    first, second = (frozen_statistics(build_encoder(w, 1), x, 1, 40, tmp_path) for w in (one, other))
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_array_equal(frozen_statistics(build_encoder(one, 1), x, 1, 40, tmp_path), first)


def test_lower_blocks_learn_slower_and_frozen_ones_not_at_all() -> None:
    head = build_head(Recipe(), 3)
    model = build_model(made_up(3), head, Recipe(), np.stack([np.zeros((4, WIDTH)), np.ones((4, WIDTH))], axis=1))
    groups = learning_groups(model, Recipe())
    assert [rate for rate, _ in groups] == pytest.approx([2e-4, 1e-4, 0.7e-4])
    learning = {id(variable) for _, variables in groups for variable in variables}
    assert learning == {id(variable) for variable in model.trainable_variables}
    frozen = [*model.get_layer("stem").weights, *model.get_layer("block0").weights]
    assert not learning & {id(variable) for variable in frozen}


KEPT = replace(RECIPE, kept_copies=2, eight_bits=True, tuning=replace(RECIPE.tuning, drawn=12))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RECIPE, KEPT], ids=["whole", "kept"])
def test_a_fit_is_decided_by_its_seed_and_read_back_when_done(
    windows, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = windows
    one = np.asarray(fit(x, y, 3, 0, None, recipe, made_up())(x))
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    two = np.asarray(fit(x, y, 3, 0, tmp_path, recipe, made_up())(x))
    np.testing.assert_array_equal(one, two)
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["model.npz"]
    np.testing.assert_array_equal(np.asarray(fit(x, y, 3, 0, tmp_path, recipe, made_up())(x)), one)
    assert np.abs(np.asarray(fit(x, y, 3, 1, None, recipe, made_up())(x)) - one).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RECIPE, KEPT], ids=["whole", "kept"])
def test_an_interrupted_fit_ends_at_the_numbers_of_an_unbroken_one(
    windows, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = windows
    unbroken = np.asarray(fit(x, y, 3, 0, None, recipe, made_up())(x))
    save = optimise.save

    def save_and_stop(path: Path, variables: list[object], epoch: int) -> None:
        save(path, variables, epoch)
        raise KeyboardInterrupt

    monkeypatch.setattr(optimise, "save", save_and_stop)
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, 3, 0, tmp_path, recipe, made_up())
    monkeypatch.setattr(optimise, "save", save)
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["checkpoint.npz"]
    np.testing.assert_array_equal(np.asarray(fit(x, y, 3, 0, tmp_path, recipe, made_up())(x)), unbroken)


def test_a_started_head_is_as_sure_of_crops_as_of_whole_windows(windows) -> None:
    # Positions make some channels equal in all whole windows; a crop must not be taken for something unheard of.
    x, y = windows
    weights = made_up()
    weights["embed_positions.weight"][:, :9] += np.arange(400)[:, np.newaxis] * 10
    statistics = frozen_statistics(build_encoder(weights, RECIPE.blocks), x, RECIPE.copies, RECIPE.crop_frames, None)
    model = fitting.start(statistics, Lesson(x, y, 3, 0), RECIPE, weights)
    whole, cropped = np.asarray(model(x)), np.asarray(model(x[:, 5:45]))
    assert np.abs(cropped).max() < 3 * np.abs(whole).max()


def test_without_tuning_the_model_is_its_start(windows) -> None:
    x, y = windows
    weights, recipe = made_up(), replace(RECIPE, tuning=replace(RECIPE.tuning, epochs=0))
    np.testing.assert_array_equal(
        np.asarray(fit(x, y, 3, 0, None, recipe, weights)(x)).argmax(axis=1), _started(x, y, weights).argmax(axis=1)
    )


def _started(x: np.ndarray, y: np.ndarray, weights: Weights) -> np.ndarray:
    keras.utils.set_random_seed(0)
    statistics = frozen_statistics(build_encoder(weights, RECIPE.blocks), x, RECIPE.copies, RECIPE.crop_frames, None)
    return np.asarray(fitting.start(statistics, Lesson(x, y, 3, 0), RECIPE, weights)(x))


def test_a_model_of_one_block_is_the_smaller_one(windows) -> None:
    small = replace(RECIPE, blocks=1, tuning=replace(RECIPE.tuning, epochs=0))
    model = fit(*windows, 3, 0, None, small, made_up())
    assert model.count_params() < 0.65 * fit(*windows, 3, 0, None, RECIPE, made_up()).count_params()
    assert model(np.zeros((2, 401, 80), np.float32)).shape == (2, 3)
    assert (RECIPES["whisper-one-block"].blocks, RECIPES["whisper-one-block"].tuning.epochs) == (1, 0)


def test_a_head_fits_an_encoder_of_any_width(windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    frozen = replace(RECIPE, tuning=replace(RECIPE.tuning, epochs=0))
    wide, narrow = (fit(*windows, 3, 0, tmp_path / str(w), frozen, made_up(width=w)) for w in (128, 64))
    assert wide.count_params() > 2 * narrow.count_params()
    read = fit(*windows, 3, 0, tmp_path / "128", frozen, made_up(width=128))
    np.testing.assert_array_equal(np.asarray(read(windows[0])), np.asarray(wide(windows[0])))


def test_a_trial_changes_the_recipe_it_is_named_after() -> None:
    for name, recipe in TRIALS.items():
        model = RECIPES[name.split("/")[0]]
        changed = {field.name for field in fields(recipe) if getattr(recipe, field.name) != getattr(model, field.name)}
        assert len(changed - {"start"} or changed) == 1, f"{name} changes {changed}"
        assert bool(recipe.tuning.epochs) == bool(model.tuning.epochs)


def test_where_all_blocks_learn_the_detector_hears_the_convolutions(windows) -> None:
    tuned = fit(*windows, 3, 0, None, replace(RECIPE, frozen_blocks=0), made_up())
    assert tuned(windows[0]).shape == (len(windows[0]), 3)


def test_a_fit_on_kept_states_takes_weighted_shares_and_is_exported_in_a_byte_a_weight(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x = random.normal(0, 0.5, (12, WHISPER_SPEC.frames, WHISPER_SPEC.bins)).astype(np.float32)
    rows = np.eye(3, dtype=np.float32)[np.arange(12) % 3] * np.repeat([[1.5], [0.5]], 6, axis=0)
    rows[6:, 1] = np.where(rows[6:, 1] > 0, rows[6:, 1], -1)
    recipe = replace(KEPT, tuning=replace(KEPT.tuning, epochs=1, drawn=8))
    trained = Trained(fit(x, rows, 3, 0, None, recipe, made_up(width=64)), 1.0)
    export(trained, WHISPER_SPEC, ("a", "b", "c"), {}, tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    answers = np.asarray(served(features=tf.constant(x))["probabilities"])
    np.testing.assert_allclose(answers, trained.predict(np.split(x, 12)), atol=1e-5)
    assert (tmp_path / "1" / "saved_model.pb").stat().st_size < 2 * trained.model.count_params()
