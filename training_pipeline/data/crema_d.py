"""CREMA-D: 7,442 clips of 91 actors, US English, six emotions; actors' age and sex, and what listeners heard.

Names are `ACTOR_SENTENCE_EMOTION_INTENSITY` (Cao et al. 2014, IEEE Transactions on Affective Computing 5(4): 377-390).
"""

from __future__ import annotations

import re
from pathlib import Path

from speech_emotion.input_files import find_files
from training_pipeline.data.clips import Clip
from training_pipeline.data.table import read_table
from training_pipeline.errors import DataError

NAME, LICENCE = "crema-d", "ODbL 1.0"
CITATION = (
    "Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014) CREMA-D: Crowd-sourced Emotional Multimodal "
    "Actors Dataset. IEEE Transactions on Affective Computing 5(4): 377-390, https://doi.org/10.1109/TAFFC.2014.2336244"
)
LABELS = {"NEU": "neutral", "HAP": "happy", "SAD": "sad", "ANG": "angry", "FEA": "fearful", "DIS": "disgust"}
EMOTIONS = tuple(LABELS.values())
ACTORS, VOTES = "VideoDemographics.csv", "tabulatedVotes.csv"
SILENT = {"1076_MTI_SAD_XX"}
"""Holds no sound in any copy of the set."""
TWICE = {
    "1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1013_WSI_SAD_XX", "1017_IWW_ANG_XX", "1017_IWW_FEA_XX",
}  # fmt: skip
"""Three recordings that the set contains under two emotions each. It is not known which one was acted."""
BY_VOICE = "1"
"""First digit of the number of a row of votes: the listeners heard the clip and did not see it."""
_NAME = re.compile(r"(?P<actor>1\d{3})_[A-Z]{3}_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?:LO|MD|HI|XX?)")


def is_crema_d(folder: Path) -> bool:
    """Whether the folder has the parts of the set, or recordings named as its are."""
    parts = (folder / "AudioWAV", folder / ACTORS)
    return any(part.exists() for part in parts) or any(_NAME.fullmatch(path.stem) for path in folder.glob("1*.wav"))


def is_clip(path: Path) -> bool:
    """Whether a recording is named as the set's are; the file is not looked at."""
    return _NAME.fullmatch(path.stem) is not None


def read_crema_d(folder: Path) -> tuple[list[Clip], int]:
    """The clips below `folder`, ordered by name, and how many other recordings were passed over.

    Age and sex come from `VideoDemographics.csv`, votes by voice alone from `tabulatedVotes.csv`, wherever they lie
    below `folder`; without them they are not known. Raises DataError for a recording with another name, none at all,
    and a table that is not as it should be.
    """
    paths = {path.name: path for path in sorted(find_files(folder))}
    actors = _actors(paths[ACTORS]) if ACTORS in paths else {}
    votes = _votes(paths[VOTES]) if VOTES in paths else {}
    clips, skipped = [], 0
    for _, path in sorted(paths.items()):
        if path.suffix.lower() not in {".wav", ".flac"}:
            continue
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise DataError(f"{path}: not a name of CREMA-D (ACTOR_SENTENCE_EMOTION_INTENSITY)")
        if path.stem in SILENT | TWICE:
            skipped += 1
            continue
        age, sex = actors.get(match["actor"], (None, ""))
        # One recording lacks a letter that its name has in the table.
        heard = votes.get(path.stem, votes.get(f"{path.stem}X", ()))
        clips.append(Clip(path, LABELS[match["emotion"]], match["actor"], sex, "", NAME, age, heard))
    if not clips:
        raise DataError(f"{folder}: no recordings of CREMA-D here")
    return clips, skipped


def _actors(path: Path) -> dict[str, tuple[int, str]]:
    """Age and sex of each actor."""
    found = {}
    for row in read_table(path, ("actorid", "age", "sex")):
        try:
            found[row.fields["actorid"]] = (int(row.fields["age"]), row.fields["sex"].casefold())
        except ValueError as error:
            raise DataError(f"{path}, line {row.line}: {error}") from None
    return found


def _votes(path: Path) -> dict[str, tuple[tuple[str, float], ...]]:
    """Of each clip, the emotions that listeners named by the voice alone."""
    found = {}
    letters = {code[0].casefold(): emotion for code, emotion in LABELS.items()}
    for row in read_table(path, (*letters, "filename")):
        if row.fields.get("", "").startswith(BY_VOICE):
            try:
                counts = [(emotion, float(row.fields[letter])) for letter, emotion in letters.items()]
            except ValueError as error:
                raise DataError(f"{path}, line {row.line}: {error}") from None
            found[row.fields["filename"]] = tuple((emotion, count) for emotion, count in counts if count)
    return found
