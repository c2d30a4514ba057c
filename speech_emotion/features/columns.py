"""The short-time Fourier transform of a signal, as its samples come."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from speech_emotion.audio.tape import Tape
from speech_emotion.features.banks import analysis_window
from speech_emotion.features.spec import FeatureSpec

Array = npt.NDArray[np.float32]

_AT_ONCE = 2**18
"""Number of values that are computed at once if enough samples are there: one call costs less than many."""


class Columns:
    """The power spectrum of a signal column by column, as its samples come; each column is made once.

    Column t is centred on sample `t * hop_length`. Both ends are padded by half a transform, as `spec.pad_mode` says.
    A signal that is shorter than a transform, or than the window where `spec.padding` is `zeros`, ends with zeros.
    Columns are made when they are asked for, many at once: each is a row in memory, the square of what
    `librosa.stft` gives as a column.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        self._half = spec.n_fft // 2
        self._count = 0
        # Up to here both ends are padded at once; of longer signals each for itself, by what lies beside it.
        self._short = -(-self._half // spec.hop_length) * spec.hop_length + spec.n_fft - self._half
        self._first = np.empty(0, np.float32)
        self._padded = Tape((), np.float32)
        self._power = Tape((1 + self._half,), np.float32)
        self._made: dict[Hashable, Tape[np.float32]] = {}

    @property
    def complete(self) -> int:
        """How many columns there are that no later sample changes."""
        return max(0, 1 + (self._padded.end - self.spec.n_fft) // self.spec.hop_length)

    def add(self, samples: Array) -> None:
        """Hear the next samples, float32 `[n]` at the specification's rate."""
        self._count += samples.size
        if not self._padded.end:
            samples = np.concatenate([self._first, samples]) if self._first.size else samples
            if self._count < self._short:
                self._first = samples.copy()
                return
            self._padded.append(np.pad(samples[: self._short], (self._half, 0), self.spec.pad_mode)[: self._half])
        self._padded.append(samples)

    def end(self) -> None:
        """No samples follow."""
        spec = self.spec
        whole = max(spec.n_fft, spec.window_samples if spec.padding == "zeros" else 0)
        self.add(np.zeros(max(0, whole - self._count), np.float32))
        if not self._padded.end:
            self._padded.append(np.pad(self._first, self._half, spec.pad_mode))
        elif self.complete < spec.frames_of(self._count):
            rest = self._padded[self.complete * spec.hop_length : self._padded.end]
            self._padded.append(np.pad(rest, (0, self._half), spec.pad_mode)[rest.size :])

    def power(self, first: int, last: int) -> Array:
        """Columns `first` to before `last`, all of them complete: float32 `[last - first, 1 + n_fft // 2]`."""
        self._power.forget(first)
        while self._power.end < last:
            self._transform(min(self.complete, self._power.end + max(1, _AT_ONCE // self.spec.n_fft)))
        return self._power[first:last]

    def made(self, key: Hashable, make: Callable[[Array], Array], first: int, last: int) -> Array:
        """What `make` returns for the columns `first` to before `last`: float32 `[last - first, ...]`, read-only.

        `make` gets the power of several columns, and returns a row for each that depends on that column alone. It is
        called once for each column and `key`; all windows that ask for the key share the result.
        """
        power = self.power(first, last)
        if key not in self._made:
            self._made[key] = Tape(make(power[:0]).shape[1:], np.float32)
        rows = self._made[key]
        rows.forget(first)
        if rows.end < last:
            rows.append(make(self._power[rows.end : self._power.end]))
        shared = rows[first:last]
        shared.flags.writeable = False
        return shared

    def forget(self, before: int) -> None:
        """Keep nothing that only columns before this one need."""
        for rows in (self._power, *self._made.values()):
            rows.forget(before)
        # With columns far apart the next one may start after the last sample.
        self._padded.forget(min(self._power.end * self.spec.hop_length, self._padded.end))

    def _transform(self, last: int) -> None:
        """Make the columns up to before `last`."""
        spec, first = self.spec, self._power.end
        samples = self._padded[first * spec.hop_length : (last - 1) * spec.hop_length + spec.n_fft]
        left = (spec.n_fft - spec.win_length) // 2  # a shorter window lies in the middle; where in it changes no power
        frames = sliding_window_view(samples, spec.n_fft)[:: spec.hop_length, left : left + spec.win_length]
        transform = rfft(frames * analysis_window(spec.window, spec.win_length), spec.n_fft, overwrite_x=True)
        power = np.square(transform.real, out=self._power.extend(last - first))
        power += np.square(transform.imag)
