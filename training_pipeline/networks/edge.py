"""A small network that learns from the fine-tuned encoder what it makes of windows: about a megabyte, for the edge.

Source: Snyder et al. 2018, X-vectors (time-delay layers and statistics); Hinton et al. 2015, Distilling the Knowledge
in a Neural Network.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion.features import WHISPER_SPEC
from training_pipeline.data.not_speech import windows_without_speech
from training_pipeline.networks.whisper import fit as teacher
from training_pipeline.networks.whisper.augment import Augmentation, crop
from training_pipeline.networks.whisper.model import AttentiveStatistics, Standardise
from training_pipeline.networks.whisper.optimise import Training, batches_of, load, save, soft_targets
from training_pipeline.networks.whisper.recipe import Recipe, Stage
from training_pipeline.networks.whisper.weights import Weights

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Student:
    """The numbers of the distillation."""

    teacher: Recipe = field(default_factory=Recipe)
    channels: int = 128
    dilations: tuple[int, ...] = (1, 2, 3)
    """Of the time-delay layers behind the first, which halves the frames."""
    views: int = 4
    """Crops of each window that the teacher is asked about, each changed otherwise."""
    trust: float = 0.8
    """Share of the teacher's answer in a target; the rest is the label."""
    training: Stage = field(default=Stage(8, 32, 2e-3, 0.05, mixup_alpha=0.4, mixup_share=0.5, fused=False))


def fit(
    x: Array,
    y: npt.NDArray[np.intp],
    labels: int,
    seed: int,
    checkpoints: Path | None = None,
    student: Student | None = None,
    weights: Weights | None = None,
) -> keras.Model:
    """Fit a teacher on log-mel windows `[n, frames, 80]`, then the student on the teacher's answers.

    The student is also taught that sounds without speech are no more of one label than of another.

    Returns windows to logits. An interrupted fit goes on where it was, a done one is read. Nothing else than `x` and
    `y` is heard.
    """
    student = student or Student()
    name = teacher.identity(x, y, labels, seed, (student, student.teacher.sounds))
    done = checkpoints and checkpoints / name / "model.npz"
    if done is not None and done.is_file():
        model = build(labels, student, x)
        load(done, model.variables)
        return model
    large = teacher.fit(x, y, labels, seed, checkpoints and checkpoints / "teacher", student.teacher, weights)
    views, answers = ask(large, x, student, seed)
    own = np.repeat(soft_targets(y, labels, 0), student.views, axis=0)
    sounds = windows_without_speech(student.teacher.sounds, WHISPER_SPEC)[:, : views.shape[1]]
    even = np.full((len(sounds), labels), 1 / labels, np.float32)
    targets = np.concatenate([student.trust * answers + (1 - student.trust) * own, even])
    views = np.concatenate([views, sounds])
    keras.utils.set_random_seed(seed)
    model = build(labels, student, x)
    recipe = replace(student.teacher, averaging=0.995)
    steps = len(views) // min(student.training.batch, len(views))
    groups = [(student.training.rate, model.trainable_variables)]
    training = Training(model, groups, student.training, steps, recipe)
    batches = batches_of(lambda chosen, _: views[chosen], targets, student.training)
    training.run(batches, seed, done and done.with_name("checkpoint.npz"))
    if done is not None:
        save(done, model.variables, student.training.epochs)
        done.with_name("checkpoint.npz").unlink(missing_ok=True)
    return model


def ask(large: keras.Model, x: Array, student: Student, seed: int) -> tuple[Array, Array]:
    """Views of the windows `[n * views, frames, 80]` and the teacher's probabilities for them `[n * views, labels]`."""
    random, augment = np.random.default_rng(seed), Augmentation()
    frames, answer = student.teacher.crop_frames, tf.function(lambda batch: keras.ops.softmax(large(batch)))
    views, answers = [], []
    for window in x:
        own = np.stack([crop(augment(window, random), frames, random) for _ in range(student.views)])
        views.append(own)
        answers.append(np.asarray(answer(tf.constant(own))))
    return np.concatenate(views), np.concatenate(answers)


def build(labels: int, student: Student, x: Array) -> keras.Model:
    """Windows `[n, frames, 80]` to logits `[n, labels]`; `x` decides the fixed scale of each band."""
    standardise = Standardise(name="standardise")
    inputs = keras.Input((None, x.shape[-1]), name="features")
    states = standardise(inputs)
    standardise.adapt(x.mean(axis=(0, 1)), x.std(axis=(0, 1)))
    states = _delays(states, student.channels, 5, strides=2)
    for dilation in student.dilations:
        states = states + _delays(states, student.channels, 3, dilation_rate=dilation)
    pooled = AttentiveStatistics(student.teacher.attention_width, name="pool")(states)
    hidden = keras.layers.Dense(64, activation="gelu")(keras.layers.Dropout(0.3)(pooled))
    return keras.Model(inputs, keras.layers.Dense(labels)(keras.layers.Dropout(0.3)(hidden)), name="edge")


def _delays(states: keras.KerasTensor, channels: int, width: int, **options: int) -> keras.KerasTensor:
    convolved = keras.layers.Conv1D(channels, width, padding="same", activation="relu", **options)(states)
    return keras.layers.BatchNormalization(momentum=0.98)(convolved)
