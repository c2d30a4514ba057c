"""Tables as spreadsheets and people write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training_pipeline.data.table import read_table, same_meaning
from training_pipeline.errors import DataError

REQUIRED = ("path", "label")
EXPECTED = [{"path": "a.wav", "label": "calm"}, {"path": "b.wav", "label": "très fâché"}]


def rows(folder: Path, content: bytes) -> list[dict[str, str]]:
    (folder / "table.csv").write_bytes(content)
    return [row.fields for row in read_table(folder / "table.csv", REQUIRED)]


@pytest.mark.parametrize("content", [
    "path,label\na.wav,calm\nb.wav,très fâché\n",
    "\ufeffpath,label\r\na.wav,calm\r\nb.wav,très fâché\r\n",
    "path, label\na.wav, calm\nb.wav, \"très fâché\"\n",
    "Path;LABEL\na.wav;calm\nb.wav;très fâché",
    "\ufeff\"path\";\"label\"\n\"a.wav\";\"calm\"\n\"b.wav\";\"très fâché\"\n",
    "path\tlabel\na.wav\tcalm \n\n b.wav\ttrès fâché\n",
    "path,label,\na.wav,calm,\n,,\nb.wav,très fâché,,,\n",
    "path,label\ra.wav,calm\rb.wav,très fâché\r",
])  # fmt: skip
def test_a_table_is_read_as_it_is_meant(tmp_path: Path, content: str) -> None:
    read = rows(tmp_path, content.encode())
    assert [{name: row[name] for name in REQUIRED} for row in read] == EXPECTED


@pytest.mark.parametrize(("content", "said"), [
    ("path,label\na.wav,calm\n".encode("utf-16"), "UTF-16"),
    ("path,label\na.wav,calm\n".encode("utf-16-be"), "UTF-16"),
    ("path,label\na.wav,calm\nb.wav,fâché\n".encode("latin-1"), "line 3: it is not in UTF-8"),
    (b"RIFF\0\0\0\0WAVE", "not text"),
    (b"", "no column path, label"),
    (b"path|label\na.wav|calm\n", "no column path, label"),
    (b"file;label\na.wav;calm\n", "no column path; needed"),
    (b"path,label,Path\na.wav,calm,b.wav\n", "line 1: the column path occurs twice"),
    (b"path,label\na.wav,calm\nb, c.wav,sad\n", "line 3: 3 values for 2 columns"),
    (b'path,label\na.wav,"calm\nb.wav,sad\n', "line 2: a double quote is not closed"),
    (b'path,label\na.wav,calm\n\nb.wav,"sad\nc.wav,sad\nd.wav,sad\n', "line 4: a double quote is not closed"),
    (b'path,label\na.wav,"calm"er\n', "line 2: a double quote is not closed, or not doubled"),
])  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        rows(tmp_path, content)


def test_a_table_is_never_read_whole_because_it_is_there(tmp_path: Path) -> None:
    (table := tmp_path / "table.csv").touch()
    os.truncate(table, 20_000_000_000)
    with pytest.raises(DataError, match="20,000,000,000 bytes"):
        list(read_table(table, REQUIRED))
    with pytest.raises(OSError, match="a device"):
        list(read_table(Path("/dev/zero"), REQUIRED))


def test_values_that_people_take_for_the_same_have_the_same_meaning() -> None:
    alike = ("Très Fâché", "très fâché ", "tre\u0300s fa\u0302che\u0301", "TRÈS\u00a0FÂCHÉ", "très  fâ\u200bché")
    assert len({same_meaning(value) for value in alike}) == 1
    assert same_meaning("calm") != same_meaning("calme")
