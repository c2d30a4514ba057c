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
from training_pipeline.eight_bits import round_weights
from training_pipeline.networks.edge.factors import factored_encoder
from training_pipeline.networks.edge.recipe import Student
from training_pipeline.networks.whisper import fit as teacher
from training_pipeline.networks.whisper.augment import Augmentation, crop
from training_pipeline.networks.whisper.encoder import WIDTH
from training_pipeline.networks.whisper.model import build_head, frozen_state, join
from training_pipeline.networks.whisper.optimise import Training, batches_of, load, save, soft_targets
from training_pipeline.networks.whisper.speech import in_noise, with_detector
from training_pipeline.networks.whisper.statistics import frozen_statistics
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
    own = checkpoints and checkpoints / teacher.identity(x, y, labels, seed, student)
    done = own and own / "model.npz"
    if done is not None and done.is_file():
        model = _unstarted(x, labels, student, weights)
        load(done, model.variables)
    else:
        taught = student.tuning.epochs > 0
        folder = checkpoints and checkpoints / "teacher"
        large = teacher.fit(x, y, labels, seed, folder, student.teacher, weights) if taught else None
        model = _start(x, y, labels, seed, student, weights)
        if large is not None:
            _distil(model, large, x, y, labels, seed, student, own and own / "checkpoint.npz")
        if own is not None and done is not None:
            save(done, model.variables, student.tuning.epochs)
            (own / "checkpoint.npz").unlink(missing_ok=True)
    model = _with_detector(model, x, student)
    round_weights(model)
    return model


def ask(large: keras.Model, x: Array, student: Student, seed: int) -> tuple[Array, Array]:
    """Changed crops of the windows `[n * views, frames, 80]`, and the teacher's probabilities `[n * views, labels]`."""
    random, augment = np.random.default_rng(seed), Augmentation()
    answer = tf.function(lambda batch: tf.nn.softmax(large(batch, training=False)))
    views, answers = [], []
    for window in x:
        crops = [crop(augment(window, random), student.head.crop_frames, random) for _ in range(student.views)]
        views.append(np.stack(crops))
        answers.append(np.asarray(answer(tf.constant(views[-1]))))
    return np.concatenate(views), np.concatenate(answers)


def _encoder(x: Array, student: Student, weights: Weights) -> keras.Model:
    chosen = np.random.default_rng(0).permutation(len(x))[: student.measured]
    return factored_encoder(weights, x[chosen], student.ranks, (WHISPER_SPEC.frames + 1) // 2)


def _start(x: Array, y: Targets, labels: int, seed: int, student: Student, weights: Weights) -> keras.Model:
    """The factored encoder as it is, and a head trained on its statistics."""
    keras.utils.set_random_seed(seed)
    encoder, recipe = _encoder(x, student, weights), student.head
    statistics = frozen_statistics(encoder, x, recipe.copies, recipe.crop_frames, None)
    head, states = teacher.start_head(statistics, y, labels, seed, recipe)
    return join(encoder, head, recipe.attention_width, states)


def _unstarted(x: Array, labels: int, student: Student, weights: Weights) -> keras.Model:
    encoder = _encoder(x[:1], student, weights)
    states = np.stack([np.zeros((2, WIDTH)), np.ones((2, WIDTH))], axis=1)
    return join(encoder, build_head(student.head, labels), student.head.attention_width, states)


def _distil(
    model: keras.Model,
    large: keras.Model,
    x: Array,
    y: Targets,
    labels: int,
    seed: int,
    student: Student,
    checkpoint: Path | None,
) -> None:
    """Train encoder and head on the same crops again and again, towards the teacher's answers and the labels."""
    views, answers = ask(large, x, student, seed)
    own = np.repeat(soft_targets(y, labels, 0), student.views, axis=0)
    targets = np.asarray(student.trust * answers + (1 - student.trust) * own, np.float32)
    encoder = [v for name in ("stem", "block0") for v in model.get_layer(name).trainable_variables]
    known = {id(variable) for variable in encoder}
    rest = [v for v in model.trainable_variables if id(v) not in known]
    groups = [(student.encoder_rate, encoder), (student.tuning.rate, rest)]
    recipe = replace(student.head, averaging=student.averaging)
    steps = len(views) // min(student.tuning.batch, len(views))
    training = Training(model, groups, student.tuning, steps, recipe)
    training.run(batches_of(lambda chosen, _: views[chosen], targets, student.tuning), seed, checkpoint)


def _with_detector(model: keras.Model, x: Array, student: Student) -> keras.Model:
    """The student with a detector of speech, fitted on its own state behind the block."""
    state, recipe = frozen_state(model, 1), student.head
    encoder = keras.Model(model.inputs[0], [frozen_state(model, 0), state])
    sounds = windows_without_speech(recipe.sounds, WHISPER_SPEC)
    heard = [
        frozen_statistics(encoder, windows, copies, recipe.crop_frames, None)[:, :, 1]
        for windows, copies in ((x, recipe.copies), (in_noise(x), 0), (sounds, 0))
    ]
    return with_detector(model, state, *heard)
