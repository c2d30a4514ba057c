"""Where a recording holds something like speech: levels only, no model, and nothing that comes later.

Levels are those of speech's own band (`speech_emotion.audio.levels`).
A window is judged by what is heard up to its end: audio that follows never changes the decision, so a stream can ask
the same question as a clip (`speech_level`).
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.levels import FLOOR_DBFS, Decibels, Levels, frame_samples, whole_frames
from speech_emotion.audio.quality import QualityLimits

Hops = npt.NDArray[np.bool_]

SUSTAINED_FRAMES = 3
"""A level counts if three frames (0.13 s) hold it: syllables do, clicks do not."""
RANGE_DB = 30.0
"""What is further below a sound is another sound, or background; vowels and consonants span about 25 dB."""
BACKGROUND_DB = 40.0
"""What is further below the speech before it is background; the two sides of a call may be 35 dB apart."""
FADE_DB_PER_S = 80.0
"""What is left of a sound that ended falls at least so fast, where a room rings for less than 0.75 s."""
PAST_S = 5.0
"""What ended longer ago than this before a window says nothing about it."""
PAST_FRAMES = 8
"""Levels before a window count if eight frames (0.29 s) hold them: vowels do, knocks and dialled digits do not."""
STEADY_S = 1.0
"""Shorter sounds are not called steady: half a second of speech may be one vowel."""
STEADY_QUANTILE = 0.25


class Activity:
    """Where in a recording something like speech is heard, as its samples come.

    Parameters
    ----------
    rate : int
        Hz of the samples.
    limits : QualityLimits
        Thresholds of speech.

    What is asked about must have come, and must not be forgotten; what comes after it changes no answer.
    """

    def __init__(self, rate: int, limits: QualityLimits) -> None:
        self._rate = rate
        self._limits = limits
        self._hop = frame_samples(rate)[1]
        self._levels = Levels(rate)
        self._looked_at = 0
        self._loudest = FLOOR_DBFS

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Hear the next samples, mono `[samples]`."""
        self._levels.add(samples)

    def end(self) -> None:
        """No samples follow: those fewer than a frame have a level now."""
        self._levels.end()

    @property
    def loudest_dbfs(self) -> float:
        """The loudest sustained level so far, whatever it is a level of."""
        known = self._levels.known()
        if known < SUSTAINED_FRAMES:
            return float(sustained(self._levels[0:known], SUSTAINED_FRAMES).max(initial=FLOOR_DBFS))
        if known > self._looked_at:
            recent = self._levels[max(0, self._looked_at - SUSTAINED_FRAMES + 1) : known]
            self._loudest = max(self._loudest, float(sustained(recent, SUSTAINED_FRAMES).max()))
            self._looked_at = known
        return self._loudest

    def speech_level(self, start_s: float, end_s: float) -> float | None:
        """The level of the speech in this part of the recording in dBFS, None without any: see `speech_level`.

        Frames that reach past `end_s` are not looked at, so a recording cut at `end_s` has the same answer.
        """
        start = round(start_s * self._rate / self._hop)
        end = max(1, whole_frames(round(end_s * self._rate), self._rate))
        past = max(0, start - self._past)
        return speech_level(self._levels[past:end], start - past, self._hop / self._rate, self._limits)

    def has_speech(self, start_s: float, end_s: float) -> bool:
        """Whether `speech_level` finds any."""
        return self.speech_level(start_s, end_s) is not None

    def forget(self, before_s: float) -> None:
        """Nothing that starts before these seconds will be asked about."""
        _ = self.loudest_dbfs  # of what is forgotten, too
        self._levels.forget(round(before_s * self._rate / self._hop) - self._past)

    @property
    def _past(self) -> int:
        return round(PAST_S * self._rate / self._hop)


def measure_activity(samples: npt.NDArray[np.float32], rate: int, limits: QualityLimits) -> Activity:
    """The activity of mono `[samples]` at `rate` Hz, all of it."""
    activity = Activity(rate, limits)
    activity.add(samples)
    activity.end()
    return activity


def speech_level(levels: Decibels, start: int, hop_s: float, limits: QualityLimits) -> float | None:
    """The loudest level of a window's speech, or None: loud enough, long enough, and not steady.

    Parameters
    ----------
    levels : float64 `[frames]`, dBFS, as `speech_emotion.audio.levels` has them
        The window's frames, and before them those of the `PAST_S` seconds before it (fewer, if there are fewer).
    start : int >= 0
        Index of the window's first frame.
    hop_s : float > 0
        Seconds between frames.
    limits : QualityLimits
        Of which `silence_dbfs`, `min_speech_s` and `min_level_range_db` count.

    Returns
    -------
    float or None
        dBFS, at least `silence_dbfs`.

    The window is taken apart from its loudest sound down, each with all that is less than `RANGE_DB` below it:

    - what lasts for less than `min_speech_s` is no speech: a knock;
    - what is steady is none: its loudest level is within `min_level_range_db` of its lower quartile. Of the loudest
      sound alone that must be heard for `STEADY_S`, as half a second may be one vowel; its like just before the window
      counts.

    Such a sound is put aside, with its tail (what `faded` leaves of it), and what is left is looked at in turn: it
    hides nothing that is quieter. Also put aside are the tail of what sounded before the window, and what is
    `BACKGROUND_DB` below the speech of the last `PAST_S` seconds before it.
    """
    before = sustained(levels[:start], PAST_FRAMES)
    spoken = _varying_level(before, np.ones(before.size, np.bool_), limits.silence_dbfs, hop_s, limits)
    threshold = limits.silence_dbfs if spoken is None else max(limits.silence_dbfs, spoken - BACKGROUND_DB)
    held = sustained(levels, SUSTAINED_FRAMES)
    begun = np.arange(held.size) >= start
    return _varying_level(held, begun & _no_tail(held, ~begun, hop_s), threshold, hop_s, limits, short=STEADY_S)


def _varying_level(
    held: Decibels, left: Hops, threshold: float, hop_s: float, limits: QualityLimits, short: float = 0.0
) -> float | None:
    """The loudest level of the loudest sound that lasts and varies, or None; the first may do without if `short`."""
    while left.any() and (loudest := float(held[left].max())) > threshold:
        sound = left & (held > loudest - RANGE_DB)
        seconds = np.count_nonzero(held[sound] > threshold) * hop_s
        usual = _quantile(held[sound], STEADY_QUANTILE)
        varies = loudest - usual >= limits.min_level_range_db
        alike = np.abs(held - (loudest + usual) / 2) < 2 * limits.min_level_range_db
        steady_s = seconds + _leading(sound, alike) * hop_s
        if seconds >= limits.min_speech_s and (varies or steady_s < short):
            return loudest
        left = left & ~_with_neighbours(sound) & _no_tail(held, sound, hop_s)
        short = 0.0
    return None


def _quantile(values: Decibels, share: float) -> float:
    """As `numpy.quantile` for few values, without the tens of microseconds in which it chooses its method."""
    return float(np.interp(share * (values.size - 1), np.arange(values.size), np.sort(values)))


def _leading(sound: Hops, alike: Hops) -> int:
    """How many hops that are `alike` lead to the first of `sound`: a tone may have begun before the window."""
    first = int(sound.argmax())
    others = np.flatnonzero(~alike[:first])
    return first - (int(others[-1]) + 1 if others.size else 0)


def _no_tail(held: Decibels, sound: Hops, hop_s: float) -> Hops:
    """Whether each hop is louder than what is left of `sound`."""
    return held > faded(np.where(sound, held, FLOOR_DBFS), FADE_DB_PER_S * hop_s)


def sustained(levels: Decibels, frames: int) -> Decibels:
    """What levels `[hops]` hold for `frames` hops: `max` over the runs that a hop is in, of the `min` over the run.

    This is a morphological opening (Serra 1982, Image Analysis and Mathematical Morphology): peaks narrower than
    `frames` are levelled, all else stays. Levels too few for one run have their last one repeated.
    """
    if not levels.size:
        return levels
    edge = np.full(frames - 1, FLOOR_DBFS)
    padded = np.append(levels, np.repeat(levels[-1], max(0, frames - levels.size)))
    runs = padded.size - frames + 1
    lowest = np.concatenate([edge, reduce(np.minimum, (padded[n : n + runs] for n in range(frames))), edge])
    return reduce(np.maximum, (lowest[n : n + levels.size] for n in range(frames)))


def faded(levels: Decibels, step_db: float) -> Decibels:
    """What is left of the loudest level so far if it falls by `step_db` each hop, `[hops]`.

    `faded[t] = max(levels[t], faded[t - 1] - step_db)`: a peak follower with no attack time.
    """
    fall = step_db * np.arange(levels.size)
    return np.asarray(np.maximum.accumulate(levels + fall) - fall)


def _with_neighbours(hops: Hops) -> Hops:
    """With the hops beside them, whose frames overlap with theirs."""
    wide = hops.copy()
    wide[1:] |= hops[:-1]
    wide[:-1] |= hops[1:]
    return wide
