"""Nothing that a store says of itself leads out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speech_emotion.errors import StoreError
from speech_emotion.store.base import StoreConfig
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.history import Move, parse_history, parse_leaving
from speech_emotion.store.manifest import Manifest
from speech_emotion.store.names import numbered
from speech_emotion.store.publish import publish
from speech_emotion.store.sync import sync
from tests.support.stores import write_version

FILE = {"sha256": "0" * 64, "bytes": 1}
CREATED = "2026-11-28T00:00:00+00:00"
BAD_PATHS = (
    "../x",
    "a/../../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "//x",
    "a//b",
    "a/",
    "./a",
    "a/./b",
    "..\\x",
    "a\\..\\..\\x",
    "\\\\server\\share",
    "C:\\x",
    "C:x",
    "c:/x",
    "a\0b",
    "a\nb",
    "\ud800",
    "manifest.json",
)
BAD_NAMES = ("..", ".", "", "../x", "a/b", "/x", "a\\b", ".hidden", "a\0", "a\n", "C:", "-x", "ä")


def manifest(files: Any, created: Any = CREATED) -> str:
    return json.dumps({"schema": 1, "files": files, "created": created})


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_manifest_with_a_path_out_of_its_version_is_refused(path: str) -> None:
    with pytest.raises(StoreError, match=r"is not a path in a version|cannot list itself"):
        Manifest.from_json(manifest({"saved_model.pb": FILE, path: FILE}))


@pytest.mark.parametrize(
    "path", ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets/a b..c/…", "ab:c"]
)
def test_other_paths_are_read_back(path: str) -> None:
    parsed = Manifest.from_json(manifest({path: FILE}))
    assert Manifest.from_json(parsed.to_json()) == parsed


@pytest.mark.parametrize(
    "text",
    [
        manifest([]),
        manifest({"a": {}}),
        manifest({"a": {**FILE, "sha256": "0"}}),
        manifest({"a": {**FILE, "sha256": None}}),
        manifest({"a": {**FILE, "bytes": -1}}),
        manifest({"a": {**FILE, "bytes": "1"}}),
        manifest({"a": {**FILE, "bytes": True}}),
        manifest({"a": FILE}, created="yesterday"),
        manifest({"a": FILE}, created="2026-11-28T00:00:00"),
        manifest({"a": FILE}, created=None),
        "[" * 100_000,
        "[]",
        "",
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match=r"manifest\.json cannot be read"):
        Manifest.from_json(text)


def test_a_bucket_whose_manifest_leads_out_writes_nothing(tmp_path: Path) -> None:
    bucket = BucketStore(f"memory://{tmp_path.name}/hostile")
    publish(bucket, "m", write_version(tmp_path / "v1"))
    bucket.files.pipe_file(f"{bucket.root}/m/1/manifest.json", manifest({"../../escaped": FILE}).encode())
    bucket.files.pipe_file(f"{bucket.root}/escaped", b"x")
    for fetch in (lambda: sync(bucket, tmp_path / "mirror"), lambda: bucket.fetch("m", 1, tmp_path / "deep" / "1")):
        with pytest.raises(StoreError, match="is not a path in a version"):
            fetch()
    assert not [path for path in tmp_path.rglob("*") if path.name == "escaped"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_model_s_name_that_is_no_folder_s_is_refused_everywhere(tmp_path: Path, name: str) -> None:
    text = f"model_config_list {{ config {{ name: {json.dumps(name)} base_path: '/m' model_platform: 'tensorflow' }} }}"
    with pytest.raises(StoreError, match="is not a model name"):
        StoreConfig.parse(text, "token")
    source = write_version(tmp_path / "v1")
    for store in (FolderStore(tmp_path / "store"), BucketStore(f"memory://{tmp_path.name}/names")):
        for call in (
            lambda store=store: publish(store, name, source),
            lambda store=store: store.versions(name),
            lambda store=store: store.read(name, 1, "saved_model.pb"),
            lambda store=store: store.delete(name, 1),
            lambda store=store: store.claim(name, 1),
            lambda store=store: store.set_aside(name, 1, "x"),
            lambda store=store: store.read_config().entry(name),
        ):
            with pytest.raises(StoreError, match="is not a model name"):
                call()
    assert not (tmp_path / "store").exists()


def test_only_folders_that_can_be_models_are_mirrored(tmp_path: Path) -> None:
    bucket = BucketStore(f"memory://{tmp_path.name}/mirrored")
    publish(bucket, "m", write_version(tmp_path / "v1"))
    for name in ("a b", ".hidden", "ä"):
        bucket.files.pipe_file(f"{bucket.root}/{name}/1/manifest.json", b"{}")
    assert bucket.models() == ["m"]
    assert sync(bucket, tmp_path / "mirror") == ["+m/1", "models.config"]


def test_only_plain_numbers_of_63_bits_are_versions() -> None:
    names = ("1", "20", "007", "0", "-1", "+1", "1_0", "²", "٣", "", "1.0", str(2**63 - 1), str(2**63), "9" * 5000)
    assert numbered(names) == {0, 1, 20, 2**63 - 1}


def test_comments_that_are_none_of_ours_are_passed_over() -> None:
    good = Move("2026-11-28T00:00:00+00:00", "m", "stable", None, 1)
    lines = ["{}", "[]", "1", '{"model": "m"}', '{"model": "m", "version": "x"}', '{"model": "m", "version": 3}']
    assert parse_leaving("".join(f"# leaving: {line}\n" for line in lines)) == {("m", 3)}
    moves = [{**vars(good), "at": at} for at in ("yesterday", "2026-11-28", None, 3)]
    lines = [json.dumps(move) for move in (*moves, vars(good))]
    assert parse_history("".join(f"# label-history: {line}\n" for line in lines)) == (good,)
