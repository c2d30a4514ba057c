"""The whole recipe: a head on the frozen encoder, then head and upper blocks together, then a detector of speech."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from training_pipeline.cache import STATES, STATISTICS, pretrained_folder
from training_pipeline.networks.eight_bits import round_weights
from training_pipeline.networks.pretrained.augment import Augmentation, crop
from training_pipeline.networks.pretrained.encoder import build_encoder, width_of
from training_pipeline.networks.pretrained.fit import Lesson, add_detector, fit_once, start_head, train_stage
from training_pipeline.networks.pretrained.kept import KeptStates, copies_of, upper_part
from training_pipeline.networks.pretrained.model import build_head, build_model, learning_groups
from training_pipeline.networks.pretrained.optimise import rates_of, soft_targets
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.pretrained.statistics import frozen_statistics, unit_moments
from training_pipeline.networks.pretrained.weights import Weights, load_weights

Array = npt.NDArray[np.float32]
Targets = npt.NDArray[np.intp]


def fit(
    x: Array,
    y: Targets | Array,
    classes: int,
    seed: int,
    checkpoints: Path | None = None,
    recipe: Recipe | None = None,
    weights: Weights | None = None,
) -> keras.Model:
    """Fit on log-mel windows `[n, frames, 80]`; returns windows to logits, with averaged weights.

    `y` are class indices `[n]` or rows of shares `[n, classes]`; see `network.Fit`.

    In its folder `checkpoints` an interrupted fit goes on after its last whole epoch, and a done one is read.
    """
    recipe, weights, lesson = recipe or Recipe(), weights or load_weights(), Lesson(x, y, classes, seed)
    keras.utils.set_random_seed(seed)
    cache = pretrained_folder() / STATISTICS if checkpoints is not None else None
    encoder = build_encoder(weights, recipe.blocks)
    statistics = frozen_statistics(encoder, x, recipe.copies, recipe.crop_frames, cache)

    def untrained() -> keras.Model:
        width = width_of(weights)
        head, states = build_head(recipe, classes, width), unit_moments(recipe.blocks + 1, width)
        return build_model(weights, head, recipe, states)

    def trained(checkpoint: Path | None) -> keras.Model:
        model = start(statistics, lesson, recipe, weights)
        if recipe.tuning.epochs and recipe.kept_copies:
            states = KeptStates(weights, x, recipe, checkpoint and pretrained_folder() / STATES)
            _tune_upper(model, states, lesson, recipe, checkpoint)
        elif recipe.tuning.epochs:
            _tune(model, lesson, recipe, checkpoint)
        return model

    model = fit_once(checkpoints, recipe.tuning.epochs, untrained, trained)
    if recipe.eight_bits:
        round_weights(model)
    lower, state = build_encoder(weights, recipe.frozen_blocks), recipe.frozen_blocks
    return add_detector(model, lower, state, x, recipe, cache, statistics[:, :, state])


def start(statistics: Array, lesson: Lesson, recipe: Recipe, weights: Weights) -> keras.Model:
    """The model with its head trained on the frozen encoder's statistics, `[n, 1 + copies, states, 2, width]`."""
    head, states = start_head(statistics, lesson, recipe)
    return build_model(weights, head, recipe, states)


def _tune(model: keras.Model, lesson: Lesson, recipe: Recipe, checkpoint: Path | None) -> None:
    """Train head and upper blocks on crops, augmented anew each time."""
    augment = Augmentation()

    def crops(chosen: Targets, random: np.random.Generator) -> Array:
        return np.stack([crop(augment(lesson.x[i], random), recipe.crop_frames, random) for i in chosen])

    targets = soft_targets(lesson.y, lesson.classes, recipe.smoothing)
    groups = learning_groups(model, recipe)
    train_stage(model, groups, recipe.tuning, recipe, crops, targets, lesson.seed, checkpoint)


def _tune_upper(
    model: keras.Model, states: KeptStates, lesson: Lesson, recipe: Recipe, checkpoint: Path | None
) -> None:
    """Train head and upper blocks on kept states, each time on those of one random copy of the window."""
    targets = soft_targets(lesson.y, lesson.classes, recipe.smoothing)
    copies = copies_of(rates_of(targets, recipe.tuning), len(targets), recipe)

    def kept(chosen: Targets, random: np.random.Generator) -> Array:
        return states(chosen, random.integers(copies[chosen]))

    upper, groups = upper_part(model, recipe), learning_groups(model, recipe)
    train_stage(upper, groups, recipe.tuning, recipe, kept, targets, lesson.seed, checkpoint)
