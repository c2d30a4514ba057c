"""What the fits of all networks on the pretrained encoder have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from speech_emotion.features import WHISPER_SPEC
from training_pipeline.data.not_speech import windows_without_speech
from training_pipeline.networks.pretrained.model import build_head, state_behind
from training_pipeline.networks.pretrained.optimise import (
    Training,
    batches_of,
    load,
    loss_of,
    rates_of,
    save,
    soft_targets,
)
from training_pipeline.networks.pretrained.recipe import Recipe, Stage
from training_pipeline.networks.pretrained.speech import in_noise, with_detector
from training_pipeline.networks.pretrained.statistics import frozen_statistics, head_inputs, moments

Array = npt.NDArray[np.float32]
Targets = npt.NDArray[np.intp]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lesson:
    """What a fit is given: log-mel windows `x` `[n, frames, 80]` with class indices `y` `[n]`, and a seed.

    In place of indices `y` may be rows of shares `[n, classes]`; see `network.Fit`.
    """

    x: Array
    y: Targets | Array
    classes: int
    seed: int


def fit_once(
    folder: Path | None,
    epochs: int,
    untrained: Callable[[], keras.Model],
    trained: Callable[[Path | None], keras.Model],
) -> keras.Model:
    """The model that `folder` holds, read into an `untrained` one; else a `trained` one, which is kept there.

    `trained` is given the file for its state after each of its `epochs`, which goes once the model is done. Without a
    folder nothing is kept. The folder belongs to this one fit: whoever names it names all that its numbers follow from.
    """
    if folder is None:
        return trained(None)
    done, running = folder / "model.npz", folder / "checkpoint.npz"
    if done.is_file():
        model = untrained()
        load(done, model.variables)
        return model
    model = trained(running)
    save(done, model.variables, epochs)
    running.unlink(missing_ok=True)
    return model


def train_stage(
    model: keras.Model,
    groups: Sequence[tuple[float, list[Any]]],
    stage: Stage,
    recipe: Recipe,
    inputs: Callable[[Targets, np.random.Generator], Array],
    targets: Array,
    seed: int,
    checkpoint: Path | None = None,
) -> None:
    """Train `groups` of the model's variables for one stage; `inputs` makes those of the chosen rows of `targets`.

    A row sums to the weight of its example. A stage that draws examples draws each in proportion to its weight.
    """
    rates = rates_of(targets, stage)
    examples = len(targets) if rates is None else round(rates.sum())
    if rates is not None:
        known = np.maximum(targets, 0).sum(axis=1, keepdims=True)
        targets = np.where(targets < 0, targets, targets / known).astype(np.float32)
    steps = examples // min(stage.batch, len(targets))
    training = Training(model, groups, stage, steps, recipe, loss_of(targets))
    training.run(batches_of(inputs, targets, stage, rates), seed, checkpoint)


def start_head(statistics: Array, lesson: Lesson, recipe: Recipe) -> tuple[keras.Model, Array]:
    """A head trained on an encoder's statistics `[n, 1 + copies, states, 2, width]`.

    Returns the head and the moments `[states, 2, width]` by which states are standardised for it.
    """
    states = moments(statistics)
    inputs = head_inputs(statistics, states)
    head = build_head(recipe, lesson.classes, statistics.shape[-1])
    head.get_layer("standardise").adapt(inputs.mean(axis=0), inputs.std(axis=0))
    targets = np.repeat(soft_targets(lesson.y, lesson.classes, recipe.smoothing), 1 + recipe.copies, axis=0)
    groups = [(recipe.start.rate, head.trainable_variables)]
    train_stage(head, groups, recipe.start, recipe, lambda chosen, _: inputs[chosen], targets, lesson.seed)
    _log.info("head trained on %d windows and %d copies of each", len(lesson.y), recipe.copies)
    return head, states


def add_detector(
    model: keras.Model,
    encoder: keras.Model,
    block: int,
    x: Array,
    recipe: Recipe,
    cache: Path | None = None,
    speech: Array | None = None,
) -> keras.Model:
    """The model with a detector of speech on its state behind that many blocks.

    It learns from what `encoder`, which has the state too, makes of the windows `x`, of `x` in noise and of sounds
    without speech. `speech` are its statistics of `x` and copies, `[n, 1 + copies, 2, width]`, where they are known.
    """

    def heard(windows: Array, copies: int) -> Array:
        return frozen_statistics(encoder, windows, copies, recipe.crop_frames, cache)[:, :, block]

    speech = heard(x, recipe.copies) if speech is None else speech
    noisy, sounds = heard(in_noise(x), 0), heard(windows_without_speech(recipe.sounds, WHISPER_SPEC), 0)
    return with_detector(model, state_behind(model, block), speech, noisy[:, 0], sounds[:, 0])
