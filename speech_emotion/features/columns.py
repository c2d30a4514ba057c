"""The short-time Fourier transform of a signal, as its samples come."""

from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt
from librosa import filters  # type: ignore[attr-defined]

from speech_emotion.audio.tape import Tape
from speech_emotion.features.spec import FeatureSpec

Array = npt.NDArray[np.float32]

_AT_ONCE = 2**17
"""Values that are made at once where columns lie ready: one call costs less than many."""


class Columns:
    """Magnitudes of a signal's transform, as `librosa.stft` gives them for all of it; each column is made once.

    Column t is centred on sample `t * hop_length`. Both ends are padded by half a transform, as `spec.pad_mode` says.
    A signal that is shorter than a transform, or than the window where `spec.padding` is `zeros`, ends with zeros.
    Columns are made when they are asked for, many at once.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._spec = spec
        self._half = spec.n_fft // 2
        self._count = 0
        # Up to here librosa pads both ends at once; of longer signals it pads each for itself, by what lies beside it.
        self._short = -(-self._half // spec.hop_length) * spec.hop_length + spec.n_fft - self._half
        self._window = filters.get_window(spec.window, spec.win_length)
        self._first = Tape((), np.float32)
        self._padded = Tape((), np.float32)
        self._magnitude = Tape((1 + spec.n_fft // 2,), np.float32)

    @property
    def complete(self) -> int:
        """How many columns there are that no later sample changes."""
        return max(0, 1 + (self._padded.end - self._spec.n_fft) // self._spec.hop_length)

    def add(self, samples: Array) -> None:
        """Hear the next samples, float32 `[n]` at the specification's rate."""
        self._count += samples.size
        if self._padded.end:
            self._padded.append(samples)
            return
        self._first.append(samples)
        if self._count >= self._short:
            self._pad_start(0)

    def end(self) -> None:
        """No samples follow."""
        spec = self._spec
        whole = max(spec.n_fft, spec.window_samples if spec.padding == "zeros" else 0)
        self.add(np.zeros(max(0, whole - self._count), np.float32))
        if not self._padded.end:
            self._pad_start(self._half)
        elif self.complete < spec.frames_of(self._count):
            rest = self._padded[self.complete * spec.hop_length : self._padded.end]
            self._padded.append(np.pad(rest, (0, self._half), spec.pad_mode)[rest.size :])

    def magnitude(self, first: int, last: int) -> Array:
        """Columns `first` to before `last`, all of them complete: float32 `[1 + n_fft // 2, last - first]`."""
        spec = self._spec
        self._magnitude.forget(first)
        made = self._magnitude.end
        if made < last:
            ahead = max(last, min(self.complete, made + _AT_ONCE // (1 + self._half)))
            part = self._padded[made * spec.hop_length : (ahead - 1) * spec.hop_length + spec.n_fft]
            transform = librosa.stft(
                part,
                n_fft=spec.n_fft,
                hop_length=spec.hop_length,
                win_length=spec.win_length,
                window=self._window,
                center=False,
            )
            self._magnitude.append(np.abs(transform.T))
        return self._magnitude[first:last].T

    def forget(self, before: int) -> None:
        """Keep nothing that only columns before this one need."""
        self._magnitude.forget(before)
        # With columns far apart the next one may start after the last sample.
        self._padded.forget(min(self._magnitude.end * self._spec.hop_length, self._padded.end))

    def _pad_start(self, after: int) -> None:
        self._padded.append(np.pad(self._first[0 : self._count], (self._half, after), self._spec.pad_mode))
        self._first.forget(self._count)
