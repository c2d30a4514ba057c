"""nEMO: 4,481 clips of nine actors, Polish, six emotions (Christop 2024, LREC-COLING: 12111-12116)."""

from __future__ import annotations

import re
from pathlib import Path

from training_pipeline.data.clips import Clip
from training_pipeline.data.table import read_table
from training_pipeline.errors import DataError

NAME, LICENCE = "nemo", "CC BY-NC-SA 4.0, non-commercial"
CITATION = (
    "Christop I (2024) nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024: 12111-12116, "
    "https://aclanthology.org/2024.lrec-main.1059"
)
LABELS = {
    "neutral": "neutral", "happiness": "happy", "sadness": "sad", "anger": "angry", "fear": "fearful",
    "surprised": "surprised",
}  # fmt: skip
EMOTIONS = tuple(LABELS.values())
TABLE, RECORDINGS = "data.tsv", "samples"
ACTORS = ("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0")
_NAME = re.compile(rf"({'|'.join(ACTORS)})_({'|'.join(LABELS)})_\d+")


def is_nemo(folder: Path) -> bool:
    """Whether the folder has the parts of the set."""
    return (folder / TABLE).is_file() and (folder / RECORDINGS).is_dir()


def is_clip(path: Path) -> bool:
    """Whether a recording is named as the set's are (`SPEAKER_EMOTION_NUMBER`); the file is not looked at."""
    return _NAME.fullmatch(path.stem) is not None


def read_nemo(folder: Path) -> tuple[list[Clip], int]:
    """The clips that `data.tsv` lists, in its order, and how many other recordings were passed over.

    Raises DataError for a recording that is not there, and a table that is not as it should be.
    """
    table, recordings = folder / TABLE, folder / RECORDINGS
    if not is_nemo(folder):
        raise DataError(f"{folder}: no {TABLE} and {RECORDINGS} of nEMO here")
    clips = []
    for row in read_table(table, ("file_id", "emotion", "speaker_id")):
        fields = row.fields
        path, age = recordings / Path(fields["file_id"]).name, fields.get("age", "")
        if not path.is_file():
            raise DataError(f"{table}, line {row.line}: {fields['file_id']} is not in {recordings}")
        if fields["emotion"] not in LABELS or not (age.isdigit() or not age):
            raise DataError(f"{table}, line {row.line}: the emotion is {fields['emotion']!r}, the age {age!r}")
        sex, years = fields.get("gender", ""), int(age) if age else None
        clips.append(Clip(path, LABELS[fields["emotion"]], fields["speaker_id"], sex, "", NAME, years))
    if not clips:
        raise DataError(f"{table}: no clips")
    return clips, len(list(recordings.iterdir())) - len({clip.path for clip in clips})
