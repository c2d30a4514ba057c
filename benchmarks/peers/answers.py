"""A clip's bytes to probabilities in one process, in two ways; what every peer's service calls.

Runs in a peer's own environment. `WAY` says how: `naive`, as most projects write it with librosa and Keras, or
`handed`, with this project's feature code and the SavedModel's signature. Neither has limits, speech detection or
warnings, which the gateway has. `MODEL` is the folder of the SavedModel.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
import tensorflow as tf

Answer = dict[str, Any]
RATE = 16_000


def load() -> Callable[[bytes], Answer]:
    """What answers a clip, from WAY and MODEL of the environment."""
    return {"naive": Naive, "handed": Handed}[os.environ["WAY"]](os.environ["MODEL"])


class _Answers:
    """The emotions of a SavedModel, and the answer from its rows of probabilities."""

    def __init__(self, folder: str) -> None:
        self.loaded = tf.saved_model.load(folder)
        described = self.loaded.signatures["describe"](rows=tf.zeros(1, tf.int32))
        self.spec_json: bytes = described["spec"].numpy()[0]
        self._emotions: list[str] = json.loads(described["labels"].numpy()[0])

    def answer(self, rows: np.ndarray) -> Answer:
        """The mean of the windows' probabilities."""
        named = dict(zip(self._emotions, map(float, np.asarray(rows).mean(axis=0)), strict=True))
        return {"emotion": max(named, key=named.__getitem__), "probabilities": named}


class Handed(_Answers):
    """This project's decoding, resampling and features, then the signature."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        from speech_emotion.features import FeatureSpec

        self._spec = FeatureSpec.from_json(self.spec_json)
        self._predict = self.loaded.signatures["serving_default"]

    def __call__(self, clip: bytes) -> Answer:
        from speech_emotion.audio import load
        from speech_emotion.features import extract

        features = extract(load(clip, self._spec.sample_rate), self._spec)
        return self.answer(self._predict(features=tf.constant(features))["probabilities"].numpy())


class Naive(_Answers):
    """librosa.load, one call for each feature, `model.predict`."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        import keras

        aggregated = json.loads(self.spec_json)["aggregate"] == "mean"
        self._features = clip_means if aggregated else log_mel_windows
        self._model = keras.Sequential([keras.layers.TFSMLayer(folder, call_endpoint="serving_default")])

    def __call__(self, clip: bytes) -> Answer:
        samples, _ = librosa.load(io.BytesIO(clip), sr=RATE)
        return self.answer(self._model.predict(self._features(samples), verbose=0)["probabilities"])


def clip_means(samples: np.ndarray) -> np.ndarray:
    """`ann`: means over the clip of 40 MFCC, 12 chroma and 128 mel values, `[1, 1, 180]`."""
    mfcc = librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=40)
    chroma = librosa.feature.chroma_stft(S=np.abs(librosa.stft(samples)), sr=RATE, tuning=0.0)
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE)
    return np.hstack([feature.mean(axis=1) for feature in (mfcc, chroma, mel)])[np.newaxis, np.newaxis]


def log_mel_windows(samples: np.ndarray) -> np.ndarray:
    """`edge` and the large model: Whisper's log-mel of each window of 4 s, level removed, `[windows, 401, 80]`."""
    last = max(0, len(samples) - 4 * RATE)
    starts = [*range(0, last, 2 * RATE), last]
    return np.stack([_log_mel(librosa.util.fix_length(samples[start:], size=4 * RATE)) for start in starts])


def _log_mel(window: np.ndarray) -> np.ndarray:
    power = np.abs(librosa.stft(window, n_fft=400, hop_length=160, pad_mode="reflect")) ** 2
    mel = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=80) @ power
    loud = (2 * power[1:-1].sum(axis=0) + power[-1]) / (400 * 150)  # Parseval; 150 is the window's energy
    level = loud[loud >= loud.max() * 1e-4].mean() or 1.0
    log = np.log10(np.maximum(mel / level, 1e-10))
    return ((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0).T.astype(np.float32)


def main() -> None:
    """Fill librosa's cache of compiled functions."""
    tone = 0.1 * np.sin(np.arange(4 * RATE) / 10).astype(np.float32)
    clip_means(tone)
    log_mel_windows(tone)


if __name__ == "__main__":
    main()
