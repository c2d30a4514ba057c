"""The clock of a stream: how far its sound is ahead of real time, and how late its answers are."""

from __future__ import annotations

import time
from collections.abc import Callable

from preprocess_gateway.errors import StreamIdleError, StreamTooFastError, StreamTooLongError
from preprocess_gateway.settings import Settings

PROGRESS_S = 0.1  # of sound: less within the idle time is none


class Pace:
    """Times of one stream, of `clock` in seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._begun = self._progress_at = clock()
        self._sound_s = self._progress_s = 0.0
        self._frames = 0
        self._live_at: float | None = None

    def check_frames(self, frames: int) -> None:
        """Count frames that have come. Raises StreamTooFastError if they are too many."""
        self._frames += frames
        allowed = self._settings.stream_max_frames_per_s * (self._elapsed_s + self._settings.stream_ahead_s)
        if self._frames > allowed:
            raise StreamTooFastError(
                f"the stream comes in more than {self._settings.stream_max_frames_per_s} frames a second; put more "
                "samples into each"
            )

    def advance(self, sound_s: float, *, waited: bool) -> None:
        """Count sound that has come; `waited`: it was waited for, so it is not older than now.

        Raises StreamTooFastError if there is too much of it.
        """
        now = self._clock()
        self._sound_s += sound_s
        if self._sound_s - self._elapsed_s > self._settings.stream_ahead_s:
            raise StreamTooFastError(
                f"the stream is more than {self._settings.stream_ahead_s:g} s ahead of real time; send the samples as "
                "they are recorded, and recordings to /v1/recordings"
            )
        live_at = now - self._sound_s
        self._live_at = live_at if waited or self._live_at is None else min(self._live_at, live_at)
        if self._sound_s - self._progress_s >= PROGRESS_S:
            self._progress_s, self._progress_at = self._sound_s, now

    def lag_s(self, at_s: float) -> float:
        """How long ago, in seconds, the sound at `at_s` seconds of the stream came."""
        return max(0.0, self._clock() - (self._live_at or self._begun) - at_s)

    def check_time(self, *, started: bool) -> None:
        """Raises StreamTooLongError, or StreamIdleError if the first message or the sound does not come."""
        settings, now = self._settings, self._clock()
        if not started and now - self._begun > settings.stream_start_s:
            raise StreamIdleError(f"the first message did not come within {settings.stream_start_s:g} s")
        if now - self._begun > settings.stream_max_s:
            raise StreamTooLongError(f"the stream lasted {settings.stream_max_s:g} s, which is the maximum")
        if started and now - self._progress_at > settings.stream_idle_s:
            raise StreamIdleError(f"less than {PROGRESS_S:g} s of sound came within {settings.stream_idle_s:g} s")

    @property
    def _elapsed_s(self) -> float:
        return self._clock() - self._begun
