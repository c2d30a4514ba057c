"""Which reader reads a data set, and what it may hand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from speech_emotion import plugins
from speech_emotion.errors import PluginError
from tests.support.plugins import write_distribution
from training_pipeline.data.readers import READERS, read_data
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError

READER = """
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.readers import Reader

OURS = Reader("{name}", lambda source: (source / "ours").exists(), lambda source: {read})
"""
GOOD = "DataSet([Clip(source / 'a.wav', 'glad', '1')], ('glad', 'sad'))"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a reader of that name, of folders that hold a file `ours`."""

    def install(name: str, read: str = GOOD) -> None:
        module = f"{name}_{tmp_path.name}"
        points = {"speech_emotion.data_readers": {name: f"{module}:OURS"}}
        text = {module: READER.format(name=name, read=read)}
        monkeypatch.syspath_prepend(write_distribution(tmp_path / name, name, points, text))
        plugins.found.cache_clear()

    plugins.found.cache_clear()
    yield install
    plugins.found.cache_clear()


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("ours", "a.wav"):
        (folder / name).touch()
    return folder


def test_any_file_is_a_manifest_and_any_folder_is_ravdess(tmp_path: Path) -> None:
    assert READERS.names() == ("crema-d", "manifest", "nemo", "ravdess")
    manifest = write_synthetic(tmp_path, speakers=2, takes=1)
    assert len(read_data(manifest).clips) == 6
    assert len(read_data(manifest.rename(tmp_path / "rows.txt")).clips) == 6
    with pytest.raises(DataError, match="not a RAVDESS name"):
        read_data(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        read_data(tmp_path / "absent")


def test_a_reader_of_another_distribution_goes_first_where_it_recognises_the_data(
    install: Install, ours: Path, tmp_path: Path
) -> None:
    install("acme_ours")
    data = read_data(ours)
    assert ([clip.emotion for clip in data.clips], data.emotions) == (["glad"], ("glad", "sad"))
    assert len(read_data(write_synthetic(tmp_path / "synthetic", speakers=2, takes=1)).clips) == 6
    with pytest.raises(DataError, match="not a RAVDESS name"):
        read_data(ours, "ravdess")


def test_where_two_recognise_it_one_has_to_be_named(install: Install, ours: Path) -> None:
    install("acme_ours")
    install("other_ours")
    with pytest.raises(
        DataError, match=r"acme_ours \(acme_ours 1.0\), other_ours \(other_ours 1.0\): write a manifest"
    ):
        read_data(ours)
    assert len(read_data(ours, "other_ours").clips) == 1
    with pytest.raises(
        DataError, match=r"no reader of .* .theirs. .* acme_ours, crema-d, manifest, nemo, other_ours, ravdess"
    ):
        read_data(ours, "theirs")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        ("DataSet([], ('glad', 'sad'))", "found no clips"),
        ("DataSet([Clip(source / 'a.wav', 'cross', '1')], ('glad', 'sad'))", "'cross' is none of the emotions"),
        ("DataSet([Clip(source / 'a.wav', 'glad', '')], ('glad', 'sad'))", "names no speaker"),
        ("DataSet([Clip(source / 'b.wav', 'glad', '1')], ('glad', 'sad'))", "b.wav, which .* found, does not exist"),
    ],
)
def test_what_a_reader_hands_on_is_checked(install: Install, ours: Path, read: str, message: str) -> None:
    install("acme_ours", read)
    with pytest.raises(DataError, match=message):
        read_data(ours)


def test_a_reader_that_cannot_be_imported_is_an_error_that_names_its_distribution(install: Install, ours: Path) -> None:
    install("acme_ours", "(")
    with pytest.raises(PluginError, match=r"the reader of data sets 'acme_ours' of acme_ours 1.0 .* SyntaxError"):
        read_data(ours)


def test_an_emotion_that_could_not_be_asked_for_is_refused_where_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "m.csv").write_text("path,label,speaker\na.wav,rage,1\n")
    for said in ('"labels": {"rage": "angry, very"}', '"emotions": ["rage", "so, so"]'):
        (tmp_path / "m.corpora.json").write_text(f'{{"calls": {{{said}}}}}')
        with pytest.raises(DataError, match=r"m\.corpora\.json: .* has a comma or a control character"):
            read_data(tmp_path / "m.csv")
