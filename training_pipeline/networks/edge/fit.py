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
from training_pipeline.data.not_speech import windows_without_speech
from training_pipeline.networks.edge.factors import build_factored, load_factors
from training_pipeline.networks.edge.recipe import Student
from training_pipeline.networks.eight_bits import round_weights
from training_pipeline.networks.whisper.augment import Augmentation, crop
from training_pipeline.networks.whisper.encoder import WIDTH
from training_pipeline.networks.whisper.fit import fit as fit_teacher
from training_pipeline.networks.whisper.fit import identity, start_head
from training_pipeline.networks.whisper.model import build_head, join, state_behind
from training_pipeline.networks.whisper.optimise import Checkpoints, Training, batches_of, load, soft_targets
from training_pipeline.networks.whisper.speech import in_noise, with_detector
from training_pipeline.networks.whisper.statistics import frozen_statistics, unit_moments
from training_pipeline.networks.whisper.weights import Weights, load_weights

Array = npt.NDArray[np.float32]
Targets = npt.NDArray[np.intp]


def fit(
    x: Array,
    y: Targets,
    labels: int,
    seed: int,
    checkpoints: Path | None = None,
    student: Student | None = None,
    weights: Weights | None = None,
) -> keras.Model:
    """Fit a teacher on log-mel windows `[n, frames, 80]`, then a student on its answers.

    Returns windows to logits; matrices are rounded to eight bits. In `checkpoints` an interrupted fit goes on after its
    last whole epoch, a done one is read.
    """
    student, weights = student or Student(), weights or load_weights()
    # The teacher's answers have its detector of speech in them, so the student depends on its sounds.
    name = identity(x, y, labels, seed, (student, student.teacher.sounds))
    own = Checkpoints(checkpoints and checkpoints / name)
    if own.done:
        model = _join(_encoder(student), build_head(student.head, labels), student, unit_moments(2, WIDTH))
        load(own.done, model.variables)
    else:
        taught, folder = student.tuning.epochs > 0, checkpoints and checkpoints / "teacher"
        teacher = fit_teacher(x, y, labels, seed, folder, student.teacher, weights) if taught else None
        model = _start(x, y, labels, seed, student, weights)
        if teacher is not None:
            _distil(model, *ask(teacher, x, student, seed), y, labels, seed, student, own.running)
        own.finish(model, student.tuning.epochs)
    round_weights(model)
    return _with_detector(model, x, student)


def ask(teacher: keras.Model, x: Array, student: Student, seed: int) -> tuple[Array, Array]:
    """Changed crops of the windows `[n * views, frames, 80]`, and the teacher's probabilities `[n * views, labels]`."""
    random, augment = np.random.default_rng(seed), Augmentation()
    answer = tf.function(lambda batch: tf.nn.softmax(teacher(batch, training=False)))
    frames = min(student.head.crop_frames, x.shape[1])
    views, answers = np.empty((len(x), student.views, frames, x.shape[2]), np.float32), []
    for window, own in zip(x, views, strict=True):
        own[:] = [crop(augment(window, random), frames, random) for _ in range(student.views)]
        answers.append(np.asarray(answer(tf.constant(own))))
    return views.reshape(-1, *views.shape[2:]), np.concatenate(answers)


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


def _start(x: Array, y: Targets, labels: int, seed: int, student: Student, weights: Weights) -> keras.Model:
    """The factored encoder as it is, and a head trained on its statistics."""
    keras.utils.set_random_seed(seed)
    encoder, recipe = _encoder(student), student.head
    load_factors(encoder, weights, x[np.random.default_rng(0).permutation(len(x))[: student.measured]])
    statistics = frozen_statistics(encoder, x, recipe.copies, recipe.crop_frames, None)
    head, states = start_head(statistics, y, labels, seed, recipe)
    return _join(encoder, head, student, states)


def _distil(
    model: keras.Model,
    views: Array,
    answers: Array,
    y: Targets,
    labels: int,
    seed: int,
    student: Student,
    checkpoint: Path | None,
) -> None:
    """Train encoder and head on the same crops again and again, towards the teacher's answers and the labels."""
    acted = np.repeat(soft_targets(y, labels, 0), student.views, axis=0)
    targets = np.asarray(student.trust * answers + (1 - student.trust) * acted, np.float32)
    recipe = replace(student.head, averaging=student.averaging)
    steps = len(views) // min(student.tuning.batch, len(views))
    training = Training(model, groups_of(model, student), student.tuning, steps, recipe)
    training.run(batches_of(lambda chosen, _: views[chosen], targets, student.tuning), seed, checkpoint)


def _with_detector(model: keras.Model, x: Array, student: Student) -> keras.Model:
    """The student with a detector of speech, fitted on its own state behind the block."""
    states, recipe = [state_behind(model, blocks) for blocks in (0, 1)], student.head
    encoder = keras.Model(model.inputs[0], states)
    sounds = windows_without_speech(recipe.sounds, WHISPER_SPEC)
    heard = [
        frozen_statistics(encoder, windows, copies, recipe.crop_frames, None)[:, :, 1]
        for windows, copies in ((x, recipe.copies), (in_noise(x), 0), (sounds, 0))
    ]
    return with_detector(model, states[1], *heard)
