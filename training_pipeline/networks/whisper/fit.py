"""The whole recipe: a head on the frozen encoder, then head and upper blocks together, then a detector of speech."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from speech_emotion.features import WHISPER_SPEC
from training_pipeline.data.not_speech import windows_without_speech
from training_pipeline.networks.whisper.augment import Augmentation, crop
from training_pipeline.networks.whisper.encoder import WIDTH, build_encoder
from training_pipeline.networks.whisper.model import build_head, build_model, learning_groups, state_behind
from training_pipeline.networks.whisper.optimise import Checkpoints, Training, batches_of, load, soft_targets
from training_pipeline.networks.whisper.recipe import Recipe
from training_pipeline.networks.whisper.speech import in_noise, with_detector
from training_pipeline.networks.whisper.statistics import frozen_statistics, head_inputs, moments, unit_moments
from training_pipeline.networks.whisper.weights import Weights, load_weights, pretrained_folder

Array = npt.NDArray[np.float32]
Targets = npt.NDArray[np.intp]

_log = logging.getLogger(__name__)


def fit(
    x: Array,
    y: Targets,
    labels: int,
    seed: int,
    checkpoints: Path | None = None,
    recipe: Recipe | None = None,
    weights: Weights | None = None,
) -> keras.Model:
    """Fit on log-mel windows `[n, frames, 80]`; returns windows to logits, with averaged weights.

    In `checkpoints` a fit of the same windows, seed and recipe goes on after its last whole epoch, or is read if done.
    """
    recipe, weights = recipe or Recipe(), weights or load_weights()
    keras.utils.set_random_seed(seed)
    cache = pretrained_folder() / "statistics" if checkpoints is not None else None
    encoder = build_encoder(weights, recipe.blocks)
    statistics = frozen_statistics(encoder, x, recipe.copies, recipe.crop_frames, cache)
    own = Checkpoints(checkpoints and checkpoints / identity(x, y, labels, seed, recipe))
    if own.done:
        model = build_model(weights, build_head(recipe, labels), recipe, unit_moments(recipe.blocks + 1, WIDTH))
        load(own.done, model.variables)
    else:
        model = start(statistics, y, labels, seed, recipe, weights)
        if recipe.tuning.epochs:
            _tune(model, x, y, labels, seed, recipe, own)
        own.finish(model, recipe.tuning.epochs)
    lower, state = build_encoder(weights, recipe.frozen_blocks), recipe.frozen_blocks
    noisy, sounds = (
        frozen_statistics(lower, windows, 0, recipe.crop_frames, cache)[:, 0, state]
        for windows in (in_noise(x), windows_without_speech(recipe.sounds, WHISPER_SPEC))
    )
    return with_detector(model, state_behind(model, state), statistics[:, :, state], noisy, sounds)


def start(statistics: Array, y: Targets, labels: int, seed: int, recipe: Recipe, weights: Weights) -> keras.Model:
    """The model with its head trained on the frozen encoder's statistics, `[n, 1 + copies, states, 2, width]`."""
    head, states = start_head(statistics, y, labels, seed, recipe)
    return build_model(weights, head, recipe, states)


def start_head(statistics: Array, y: Targets, labels: int, seed: int, recipe: Recipe) -> tuple[keras.Model, Array]:
    """A head trained on an encoder's statistics, and the moments `[states, 2, width]` that it takes states by."""
    states = moments(statistics)
    inputs = head_inputs(statistics, states)
    head = build_head(recipe, labels)
    head.get_layer("standardise").adapt(inputs.mean(axis=0), inputs.std(axis=0))
    targets = np.repeat(soft_targets(y, labels, recipe.smoothing), 1 + recipe.copies, axis=0)
    steps = len(inputs) // min(recipe.start.batch, len(inputs))
    training = Training(head, [(recipe.start.rate, head.trainable_variables)], recipe.start, steps, recipe)
    training.run(batches_of(lambda chosen, _: inputs[chosen], targets, recipe.start), seed)
    _log.info("head trained on %d windows and %d copies of each", len(y), recipe.copies)
    return head, states


def _tune(model: keras.Model, x: Array, y: Targets, labels: int, seed: int, recipe: Recipe, own: Checkpoints) -> None:
    """Train head and upper blocks on crops, augmented anew each time."""
    augment = Augmentation()

    def crops(chosen: Targets, random: np.random.Generator) -> Array:
        return np.stack([crop(augment(x[i], random), recipe.crop_frames, random) for i in chosen])

    targets = soft_targets(y, labels, recipe.smoothing)
    steps = len(x) // min(recipe.tuning.batch, len(x))
    training = Training(model, learning_groups(model, recipe), recipe.tuning, steps, recipe)
    training.run(batches_of(crops, targets, recipe.tuning), seed, own.running)


def identity(x: Array, y: Targets, labels: int, seed: int, recipe: object) -> str:
    """A name for everything that a fit depends on."""
    text = f"{labels} {seed} {recipe!r} {Augmentation()!r} {x.shape}".encode()
    return hashlib.sha256(text + x.tobytes() + y.astype(np.int64).tobytes()).hexdigest()[:16]
