"""Teach the small network what the fine-tuned one answers.

Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion.features import WHISPER_SPEC
from training_pipeline.networks.edge.factors import build_factored, load_factors
from training_pipeline.networks.edge.recipe import Student
from training_pipeline.networks.eight_bits import round_weights
from training_pipeline.networks.pretrained.augment import Augmentation, crop
from training_pipeline.networks.pretrained.encoder import WIDTH
from training_pipeline.networks.pretrained.fit import Lesson, add_detector, fit_once, start_head, train_stage
from training_pipeline.networks.pretrained.model import build_head, join, state_behind
from training_pipeline.networks.pretrained.optimise import soft_targets
from training_pipeline.networks.pretrained.statistics import frozen_statistics, unit_moments
from training_pipeline.networks.pretrained.weights import Weights, load_weights
from training_pipeline.networks.whisper.fit import fit as fit_teacher

Array = npt.NDArray[np.float32]
Targets = npt.NDArray[np.intp]


def fit(
    x: Array,
    y: Targets | Array,
    classes: int,
    seed: int,
    checkpoints: Path | None = None,
    student: Student | None = None,
    weights: Weights | None = None,
    teacher_weights: Weights | None = None,
) -> keras.Model:
    """Fit a teacher on log-mel windows `[n, frames, 80]`, then a student on its answers.

    `y` are class indices `[n]` or rows of shares `[n, classes]`; see `network.Fit`. The teacher is tuned from `weights`
    as the student is, unless it has `teacher_weights` of its own.

    Returns windows to logits; matrices are rounded to eight bits. In its folder `checkpoints` an interrupted fit goes
    on after its last whole epoch, and a done one is read.
    """
    student, weights, lesson = student or Student(), weights or load_weights(), Lesson(x, y, classes, seed)

    def untrained() -> keras.Model:
        return _join(_encoder(student), build_head(student.head, classes), student, unit_moments(2, WIDTH))

    def trained(checkpoint: Path | None) -> keras.Model:
        taught, folder = student.tuning.epochs > 0, checkpoints and checkpoints / "teacher"
        own = teacher_weights or weights
        teacher = fit_teacher(x, y, classes, seed, folder, student.teacher, own) if taught else None
        model = _start(lesson, student, weights)
        if teacher is not None:
            views = views_of(lesson, student)
            _distil(model, *ask(teacher, x, views, student, seed), views, lesson, student, checkpoint)
        return model

    model = fit_once(checkpoints, student.tuning.epochs, untrained, trained)
    round_weights(model)
    encoder = keras.Model(model.inputs[0], [state_behind(model, blocks) for blocks in (0, 1)])
    return add_detector(model, encoder, 1, x, student.head)


def views_of(lesson: Lesson, student: Student) -> Targets:
    """Number of changed crops of each window for the teacher, `[n]`: `views` at the greatest weight, fewer below."""
    weights = _known(soft_targets(lesson.y, lesson.classes, 0)).sum(axis=1)
    views: Targets = np.clip(np.rint(student.views * weights / weights.max()), 1, student.views).astype(np.intp)
    return views


def ask(teacher: keras.Model, x: Array, views: Targets, student: Student, seed: int) -> tuple[Array, Array]:
    """Changed crops, `views` `[n]` of each window, `[sum, frames, 80]`; the teacher's answers `[sum, classes]`."""
    random, augment = np.random.default_rng(seed), Augmentation()
    answer = tf.function(lambda batch: tf.nn.softmax(teacher(batch, training=False)))
    frames = min(student.head.crop_frames, x.shape[1])
    crops, answers = np.empty((views.sum(), frames, x.shape[2]), np.float32), []
    for window, own in zip(x, np.split(crops, np.cumsum(views)[:-1]), strict=True):
        own[:] = [crop(augment(window, random), frames, random) for _ in range(len(own))]
        answers.append(np.asarray(answer(tf.constant(own))))
    return crops, np.concatenate(answers)


def groups_of(model: keras.Model, student: Student) -> list[tuple[float, list[keras.Variable]]]:
    """Peak learning rate and variables: those of the encoder, then head and poolings."""
    encoder = [variable for name in ("stem", "block0") for variable in model.get_layer(name).trainable_variables]
    known = {id(variable) for variable in encoder}
    rest = [variable for variable in model.trainable_variables if id(variable) not in known]
    return [(student.encoder_rate, encoder), (student.tuning.rate, rest)]


def _encoder(student: Student) -> keras.Model:
    return build_factored(student.ranks, (WHISPER_SPEC.frames + 1) // 2)


def _join(encoder: keras.Model, head: keras.Model, student: Student, states: Array) -> keras.Model:
    return join(encoder, head, student.head.attention_width, states)


def _start(lesson: Lesson, student: Student, weights: Weights) -> keras.Model:
    """The factored encoder as it is, and a head trained on its statistics."""
    keras.utils.set_random_seed(lesson.seed)
    encoder, recipe, x = _encoder(student), student.head, lesson.x
    load_factors(encoder, weights, x[np.random.default_rng(0).permutation(len(x))[: student.measured]])
    statistics = frozen_statistics(encoder, x, recipe.copies, recipe.crop_frames, None)
    head, states = start_head(statistics, lesson, recipe)
    return _join(encoder, head, student, states)


def _distil(
    model: keras.Model,
    crops: Array,
    answers: Array,
    views: Targets,
    lesson: Lesson,
    student: Student,
    checkpoint: Path | None,
) -> None:
    """Train encoder and head on the same crops in each epoch, towards the teacher's answers and the acted emotions.

    The teacher also answers for an emotion that an example leaves open. Crops of a window share its weight.
    """
    acted = _known(soft_targets(lesson.y, lesson.classes, 0))
    acted = np.repeat(acted * (views.mean() / views)[:, np.newaxis], views, axis=0)
    answers = answers * acted.sum(axis=1, keepdims=True)
    targets = np.asarray(student.trust * answers + (1 - student.trust) * acted, np.float32)
    recipe, groups = replace(student.head, averaging=student.averaging), groups_of(model, student)
    train_stage(
        model, groups, student.tuning, recipe, lambda chosen, _: crops[chosen], targets, lesson.seed, checkpoint
    )


def _known(rows: Array) -> Array:
    """Shares with 0 for what is left open."""
    return np.maximum(rows, 0)
