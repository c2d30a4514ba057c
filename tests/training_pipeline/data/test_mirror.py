"""A data set in a bucket: fsspec's memory file system, and S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from tests.support.ports import free_port
from training_pipeline.data import mirror
from training_pipeline.data.mirror import local_copies, local_copy
from training_pipeline.data.readers import read_data
from training_pipeline.errors import DataError

URL = "memory://mirror-tests/set"


@pytest.fixture
def bucket() -> Iterator[Any]:
    """Three files in a bucket, one of them in a folder."""
    memory = fsspec.filesystem("memory")
    for name in ("a.wav", "b.wav", "deep/c.wav"):
        memory.pipe(f"/mirror-tests/set/{name}", name.encode())
    yield memory
    memory.rm("/mirror-tests", recursive=True)


def files_of(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".")}


def test_a_manifest_in_a_bucket_brings_its_folder(manifest: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{manifest.parent}/", "/mirror-tests-manifest/set/", recursive=True)
    copied = local_copy("memory://mirror-tests-manifest/set/manifest.csv", tmp_path / "data")
    assert read_data(copied).digest == read_data(manifest).digest
    memory.rm("/mirror-tests-manifest", recursive=True)


def test_a_path_is_itself(manifest: Path, tmp_path: Path) -> None:
    assert local_copy(str(manifest), tmp_path) == manifest


def test_a_withdrawn_recording_and_its_empty_folder_leave_the_copy(bucket: Any, tmp_path: Path) -> None:
    copy = local_copy(URL, tmp_path / "data")
    assert files_of(copy) == {"a.wav": b"a.wav", "b.wav": b"b.wav", "deep/c.wav": b"deep/c.wav"}
    bucket.rm("/mirror-tests/set/deep/c.wav")
    bucket.rm("/mirror-tests/set/a.wav")
    assert files_of(local_copy(URL, tmp_path / "data")) == {"b.wav": b"b.wav"}
    assert not (copy / "deep").exists()


@pytest.mark.usefixtures("bucket")
def test_what_the_bucket_never_held_leaves_the_copy(tmp_path: Path) -> None:
    copy = local_copy(URL, tmp_path / "data")
    (copy / "older").mkdir()
    (copy / "older" / "left.wav").write_bytes(b"of another set")
    (copy / "link.wav").symlink_to("older/left.wav")
    assert set(files_of(local_copy(URL, copy))) == {"a.wav", "b.wav", "deep/c.wav"}
    assert not (copy / "link.wav").is_symlink()


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("name", ["interview.txt", "deeper/b.wav", ".hidden"])
def test_files_of_somebody_else_are_never_deleted(tmp_path: Path, name: str) -> None:
    own = tmp_path / "data" / name
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    with pytest.raises(DataError, match="not a copy of a bucket"):
        local_copy(URL, tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == [own]
    assert own.read_bytes() == b"mine"


def test_a_copy_that_was_interrupted_goes_on(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get = type(bucket).get_file

    def fails(files: Any, path: str, *others: Any, **named: Any) -> None:
        if path.endswith("b.wav"):
            raise OSError("the connection broke")
        get(files, path, *others, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "get_file", fails)
        with pytest.raises(DataError, match="the connection broke"):
            local_copy(URL, tmp_path / "data")
    assert set(files_of(local_copy(URL, tmp_path / "data"))) == {"a.wav", "b.wav", "deep/c.wav"}


def test_a_changed_recording_of_the_same_size_is_copied_anew_and_the_others_are_not(
    bucket: Any, tmp_path: Path
) -> None:
    copy = local_copy(URL, tmp_path / "data")
    before = (copy / "b.wav").stat().st_ino, (copy / "b.wav").stat().st_mtime_ns
    bucket.pipe("/mirror-tests/set/a.wav", b"A.WAV")
    assert files_of(local_copy(URL, tmp_path / "data"))["a.wav"] == b"A.WAV"
    assert ((copy / "b.wav").stat().st_ino, (copy / "b.wav").stat().st_mtime_ns) == before


@pytest.mark.usefixtures("bucket")
def test_a_file_that_was_deleted_here_comes_back(tmp_path: Path) -> None:
    copy = local_copy(URL, tmp_path / "data")
    (copy / "a.wav").unlink()
    assert files_of(local_copy(URL, tmp_path / "data"))["a.wav"] == b"a.wav"


@pytest.mark.usefixtures("bucket")
def test_an_empty_bucket_is_an_error_and_deletes_nothing(tmp_path: Path) -> None:
    copy = local_copy(URL, tmp_path / "data")
    with pytest.raises(DataError, match="nowhere cannot be fetched"):
        local_copy("memory://mirror-tests/nowhere", tmp_path / "data")
    assert len(files_of(copy)) == 3


def test_a_scheme_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be fetched"):
        local_copy("nonsense://bucket/set", tmp_path / "data")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real S3 server on loopback, with an empty bucket."""
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    options = {"key": "test", "secret": "test", "client_kwargs": {"endpoint_url": f"http://127.0.0.1:{port}"}}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    files = fsspec.filesystem("s3")
    files.mkdir("recordings")
    yield files
    server.stop()


def test_s3_is_mirrored_with_the_markers_that_its_console_makes_for_folders(s3: Any, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "deep/c.wav"):
        s3.pipe(f"recordings/set/{name}", name.encode())
    for marker in ("set/", "set/deep/", "set/empty/"):
        s3.call_s3("put_object", Bucket="recordings", Key=marker, Body=b"")
    copy = local_copy("s3://recordings/set", tmp_path / "data")
    assert files_of(copy) == {"a.wav": b"a.wav", "b.wav": b"b.wav", "deep/c.wav": b"deep/c.wav"}
    kept = (copy / "b.wav").stat().st_ino
    s3.rm("recordings/set/a.wav")
    assert files_of(local_copy("s3://recordings/set", tmp_path / "data")) == {
        "b.wav": b"b.wav",
        "deep/c.wav": b"deep/c.wav",
    }
    assert (copy / "b.wav").stat().st_ino == kept


@pytest.mark.usefixtures("bucket")
def test_several_data_sets_are_called_as_in_their_buckets(tmp_path: Path) -> None:
    (here := tmp_path / "here").mkdir()
    one, other = local_copies([URL, str(here)], tmp_path / "data")
    assert (one.name, one.parent.parent, other) == (URL.rpartition("/")[2], tmp_path / "data", here)
    assert set(files_of(one)) == {"a.wav", "b.wav", "deep/c.wav"}
    assert local_copies([URL], tmp_path / "alone") == [tmp_path / "alone"]


@pytest.mark.parametrize(
    ("location", "name"),
    [("memory://one/calls/manifest.csv", "calls"), ("memory://one/calls/", "calls"), ("memory://..", "data")],
)
def test_a_folder_of_one_of_several_has_a_plain_name(
    location: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "local_copy", lambda _, folder: folder)
    assert local_copies([location, location], tmp_path) == [tmp_path / "0" / name, tmp_path / "1" / name]
