"""A list of clips as a CSV, the manifest: `path, label, speaker`, and what else is known of each clip.

The column `label` holds the emotion, `votes` what listeners named: `angry=3|neutral=7`.
"""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.audio import Limits
from speech_emotion.errors import FileTooLargeError
from speech_emotion.files import whole_file
from speech_emotion.input_files import read_at_most
from training_pipeline.data.table import Row, read_table, require_distinct
from training_pipeline.errors import DataError

REQUIRED = ("path", "label", "speaker")
COLUMNS = (*REQUIRED, "sex", "split")
EXTRA = ("corpus", "age", "votes")
"""Columns that are written only where a clip has a value."""
OLDEST = 120
MAX_CLIP_BYTES = Limits().max_file_bytes
SPLITS = ("", "train", "test")
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}
LIKE_SPLIT = {"is_test", "is_train", "partition", "splits", "subset", "test", "train"}
"""Columns that people mean as a split: not to read them would be to train on their test clips."""


@dataclass(frozen=True)
class Clip:
    """One recording and the emotion it was labelled with; what is not known is empty.

    `age` is the speaker's in years. `votes` are emotions that listeners named, and how many did so.
    """

    path: Path
    emotion: str
    speaker: str
    sex: str = ""
    split: str = ""
    corpus: str = ""
    age: int | None = None
    votes: tuple[tuple[str, float], ...] = ()

    @property
    def agreement(self) -> float | None:
        """The share of votes that are for the label, in 0..1; None without votes."""
        total = sum(count for _, count in self.votes)
        return dict(self.votes).get(self.emotion, 0.0) / total if total else None

    def read(self) -> bytes:
        """The file's bytes. Raises OSError, and DataError, naming it, for a file that no clip can have filled."""
        try:
            return read_at_most(self.path, MAX_CLIP_BYTES)
        except FileTooLargeError as error:
            raise DataError(f"{self.path}: {error}") from error


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Write clips as CSV; paths below the manifest's folder are written relative to it.

    The file appears whole. A clip that is a link keeps the link's name. Raises OSError, and DataError for what would
    not read back: a path that is not UTF-8, or spaces at an end of a value, which do not count in a table.
    """
    folder = own_path(path).parent
    for clip in clips:
        if not _is_utf_8(own_path(clip.path)):
            raise DataError(f"{str(clip.path)!a} is not UTF-8: rename it, as a manifest is in UTF-8")
    # What a manifest that is a link leads to is replaced, not the link.
    with whole_file(path.resolve()) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        extra = [name for name in EXTRA if any(getattr(clip, name) not in ("", None, ()) for clip in clips)]
        writer.writerow([*COLUMNS, *extra])
        for clip in clips:
            absolute = own_path(clip.path)
            shown = absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute
            more = {"corpus": clip.corpus, "age": clip.age, "votes": shown_votes(clip.votes)}
            row = [str(shown), clip.emotion, clip.speaker, clip.sex, clip.split]
            if spaced := next((value for value in (*row, clip.corpus) if value != value.strip()), None):
                raise DataError(f"{clip.path}: {spaced!r} begins or ends with a space, which is lost in a manifest")
            writer.writerow([*row, *(more[name] for name in extra)])


def own_path(path: Path) -> Path:
    """The absolute path of a file or folder under its own name: if it is a link, not what the link leads to.

    Published recordings are known by their names, and tools for large data keep a folder of links to nameless files.
    """
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def shown_votes(votes: Sequence[tuple[str, float]]) -> str:
    """As the column `votes` has them."""
    return "|".join(f"{emotion}={count:g}" for emotion, count in votes)


def voted(clips: Sequence[Clip]) -> list[str]:
    """The emotions that the votes of the clips hold, each once."""
    return list(dict.fromkeys(emotion for clip in clips for emotion, _ in clip.votes))


def read_clips(path: Path) -> list[Clip]:
    """Read a manifest, or any CSV with its columns; relative paths count from its folder.

    `split` is `train` or `test` in any case, or empty, which is `train`. Raises DataError, naming the line, for what
    `table.read_table` refuses, an empty field, another split, an age or votes that are no numbers, a file that is not
    there, a label that cannot be asked for, a speaker of two sexes, emotions (or speakers, sexes or corpora) that
    differ only in case, spaces or Unicode form, and a column that looks like a split and is not called so.
    """
    rows = list(read_table(path, REQUIRED))
    if not rows:
        raise DataError(f"{path}: no clips")
    mistaken = sorted(rows[0].fields.keys() & LIKE_SPLIT)
    if mistaken and "split" not in rows[0].fields:
        columns = ", ".join(mistaken)
        raise DataError(f"{path}: the column {columns} is not supported: use a column `split` with train or test")
    for column in ("label", "speaker", "sex", "corpus"):
        require_distinct(path, rows, column)
    _require_one_sex(path, rows)
    return [_clip(row, path) for row in rows]


def _clip(row: Row, manifest: Path) -> Clip:
    fields = {name: row.fields.get(name, "") for name in (*COLUMNS, *EXTRA)}
    empty = [name for name in REQUIRED if not fields[name]]
    if empty:
        raise DataError(f"{manifest}, line {row.line}: {', '.join(empty)} is empty")
    split = fields["split"].casefold()
    if split not in SPLITS:
        raise DataError(
            f"{manifest}, line {row.line}: the split is {fields['split']!r}; it must be train, test or empty"
        )
    path = manifest.parent / fields["path"]
    try:
        there = path.is_file()
    except OSError as error:  # such as a name that is too long for the system
        raise DataError(f"{manifest}, line {row.line}: {fields['path']}: {error.strerror}") from error
    if not there:
        raise DataError(f"{manifest}, line {row.line}: {fields['path']} does not exist, or is not a file")
    try:
        require_label(fields["label"])
        age, votes = _age(fields["age"]), _votes(fields["votes"])
    except ValueError as error:
        raise DataError(f"{manifest}, line {row.line}: {error}") from None
    return Clip(path, fields["label"], fields["speaker"], _sex(fields["sex"]), split, fields["corpus"], age, votes)


def require_label(label: str) -> None:
    """Raise ValueError for a label that could be learnt but not be asked for: `emotions=a,b` names two."""
    if "," in label or any(unicodedata.category(character) == "Cc" for character in label):
        raise ValueError(f"the label {label!r} has a comma or a control character, by which it could not be asked for")


def _sex(text: str) -> str:
    """`f` and `m` in any case are female and male; any other word stays."""
    return SEXES.get(text.casefold(), text)


def _require_one_sex(path: Path, rows: Sequence[Row]) -> None:
    """Raise DataError, with the lines, for a speaker of two sexes; clips whose sex is not known do not count."""
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    for row in rows:
        if sex := _sex(row.fields.get("sex", "")):
            who = row.fields.get("corpus", ""), row.fields["speaker"]
            before, line = seen.setdefault(who, (sex, row.line))
            if sex != before:
                raise DataError(
                    f"{path}, line {row.line}: the speaker {who[1]} is {sex}, but {before} in line {line}: "
                    "correct one of them, or leave both empty"
                )


def _age(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > OLDEST:
        raise ValueError(f"the age is {text!r}; it must be whole years, 0 to {OLDEST}, or empty")
    return int(text)


def _votes(text: str) -> tuple[tuple[str, float], ...]:
    """`angry=3|neutral=7`. Raises ValueError for anything else."""
    votes = []
    for part in filter(None, text.split("|")):
        emotion, equals, count = part.rpartition("=")
        try:
            number = float(count)
        except ValueError:
            number = math.nan
        if not equals or not emotion.strip() or not 0 <= number < math.inf:
            raise ValueError(f"the votes hold {part!r}; they must be like angry=3|neutral=7")
        votes.append((emotion.strip(), number))
    if len(dict(votes)) != len(votes):
        raise ValueError(f"the votes {text!r} name an emotion twice")
    return tuple(votes)


def _is_utf_8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
