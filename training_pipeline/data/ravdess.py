"""RAVDESS as it really comes: WAV or FLAC in any nesting, other files beside it.

Names are `modality-channel-emotion-intensity-statement-repetition-actor`, two digits each
(Livingstone and Russo 2018, PLoS ONE 13(5): e0196391).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.input_files import find_files
from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
FOLDS = ((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22))
"""Test actors of the five folds of Luna-Jimenez et al. (2021, 2022)."""
ACTORS = 24
NAME, LICENCE = "RAVDESS speech", "CC BY-NC-SA 4.0, non-commercial"
CITATION = (
    "Livingstone SR, Russo FA (2018) The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
    "PLoS ONE 13(5): e0196391, https://doi.org/10.1371/journal.pone.0196391"
)
AUDIO_ONLY, SPEECH, SONG = "03", "01", "02"
_NAME = re.compile(r"(\d\d)-(\d\d)-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")


@dataclass(frozen=True)
class Found:
    """What a folder held: its clips, and how many other files were passed over."""

    clips: list[Clip]
    skipped: int


def read_ravdess(folder: Path, *, all_actors: bool = True, song: bool = False) -> Found:
    """Find the speech clips (with `song`, sung ones too) below `folder`, ordered by name.

    Raises DataError for a malformed name of an audio file, no clip at all, or (unless `all_actors` is
    false) an actor of the 24 without clips.
    """
    clips: dict[str, Clip] = {}
    skipped = 0
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    for path in sorted(find_files(folder)):
        if not path.is_file() and not path.is_symlink():  # a link that leads nowhere is a clip that is missing
            continue
        clip = _clip(path, song=song) if path.suffix.lower() in {".wav", ".flac"} else None
        # The archive has every actor's folder twice.
        if clip is None or path.stem in clips:
            skipped += 1
        else:
            clips[path.stem] = clip
    if not clips:
        raise DataError(f"{folder}: no RAVDESS speech here ({skipped} other files)")
    missing = sorted(set(range(1, ACTORS + 1)) - {int(clip.speaker) for clip in clips.values()})
    if missing and all_actors:
        raise DataError(f"{folder}: no clip of actor {', '.join(map(str, missing))}")
    return Found(sorted(clips.values(), key=lambda clip: clip.path.stem), skipped)


def is_clip(path: Path) -> bool:
    """Whether a recording is named as the set's are; the file is not looked at."""
    return clip_of(path) is not None


def clip_of(path: Path) -> Clip | None:
    """The clip that a name of RAVDESS tells of, none if it is no such name; the file is not looked at."""
    match = _NAME.fullmatch(path.stem)
    if match is None or not 1 <= int(match[7]) <= ACTORS:
        return None
    emotion, actor = match[3], match[7]
    return Clip(path, EMOTIONS[int(emotion) - 1], actor, "male" if int(actor) % 2 else "female")


def _clip(path: Path, *, song: bool) -> Clip | None:
    clip = clip_of(path)
    if clip is None:
        raise DataError(f"{path}: not a RAVDESS name (seven two-digit fields, actors 01 to {ACTORS})")
    modality, channel, *_ = path.stem.split("-")
    wanted = modality == AUDIO_ONLY and channel in ((SPEECH, SONG) if song else (SPEECH,))
    return clip if wanted else None
