"""The windows of a signal, as its samples come: where each lies, and its features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speech_emotion.features.columns import Columns
from speech_emotion.features.spec import FeatureSpec
from speech_emotion.features.spectrum import Spectrum

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A window: its first column, and its start and end in seconds, within the signal."""

    first: int
    start_s: float
    end_s: float


class Windows:
    """Cuts a signal into the windows of a specification.

    A window is given as soon as it is sure not to be the last one, and no sample that follows can change it: half a
    transform beyond its end. The last one ends with the signal. How the signal is
    cut into blocks changes no window, and no feature by more than 1e-5 (rounding).
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._spec = spec
        self._columns = Columns(spec)
        self._samples = 0
        self._next = 0
        self._given = 0

    def add(self, samples: Array) -> list[Window]:
        """The windows that are known with `samples`, float32 `[n]` at the specification's rate.

        What they need is kept until the next samples come.
        """
        self._columns.forget(self._given)
        self._samples += samples.size
        self._columns.add(samples)
        sure = min(self._columns.complete, self._spec.frames_of(self._samples) - 1)
        return list(self._regular(sure - self._spec.window_frames + 1))

    def end(self) -> list[Window]:
        """The windows that are left, the last one among them: there is one, even without samples."""
        self._columns.end()
        last = max(0, self._columns.complete - self._spec.window_frames)
        duration_s = self._samples / self._spec.sample_rate
        return [*self._regular(last), Window(last, min(self._start_s(last), duration_s), duration_s)]

    def features(self, window: Window) -> Array:
        """A window's features, float32 `[spec.frames, spec.bins]`; of windows in their order."""
        last = min(window.first + self._spec.window_frames, self._columns.complete)
        return _features(Spectrum(self._columns, window.first, last))

    def _regular(self, before: int) -> Iterator[Window]:
        """The next windows that start in columns before this one."""
        duration_s = self._samples / self._spec.sample_rate
        for first in range(self._next, before, self._spec.stride_frames):
            start_s = min(self._start_s(first), duration_s)
            yield Window(first, start_s, min(start_s + self._spec.window_s, duration_s))
            self._next = first + self._spec.stride_frames
            self._given = first + 1  # the last window starts after all others

    def _start_s(self, column: int) -> float:
        return column * self._spec.hop_length / self._spec.sample_rate


def window_spans(samples: int, spec: FeatureSpec) -> list[tuple[float, float]]:
    """Start and end in seconds of each window of a clip of `samples` at the spec's rate, within the clip."""
    windows = Windows(spec)
    silence = np.zeros(samples, np.float32)
    return [(window.start_s, window.end_s) for window in [*windows.add(silence), *windows.end()]]


def _features(spectrum: Spectrum) -> Array:
    blocks = [block.compute(spectrum) for block in spectrum.spec.blocks]
    match spectrum.spec.aggregate:
        case "mean":
            return np.concatenate([block.mean(axis=1) for block in blocks])[np.newaxis]
        case "mean_std":
            means, deviations = ([block.mean(axis=1) for block in blocks], [block.std(axis=1) for block in blocks])
            return np.concatenate(means + deviations)[np.newaxis]
        case _:
            return np.concatenate([block.T for block in blocks], axis=1)
