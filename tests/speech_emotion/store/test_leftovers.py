from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from speech_emotion.store import bucket as module
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.labels import promote
from speech_emotion.store.prune import prune
from speech_emotion.store.publish import publish
from speech_emotion.store.withdraw import quarantine
from tests.speech_emotion.store.conftest import s3_store
from tests.support.s3 import KEYS
from tests.support.stores import write_version

NAME = "speech_emotion"


@pytest.fixture(params=["s3", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> BucketStore:
    """A bucket whose version 1 is stable."""
    memory = request.param == "memory"
    store = (
        BucketStore(f"memory://{uuid.uuid4().hex}/store")
        if memory
        else s3_store(request.getfixturevalue("s3_endpoint"))
    )
    publish(store, NAME, write_version(tmp_path / "first"))
    promote(store, NAME, 1)
    return store


def objects(store: BucketStore) -> set[str]:
    return {path.split("/store/", 1)[1] for path in store.files.find(store.root)}


WHOLE = {
    "models.config",
    f"{NAME}/.claims/1",
    *(f"{NAME}/1/{file}" for file in ("manifest.json", "saved_model.pb", "variables/variables.index")),
}


def half_published(store: BucketStore, folder: Path, number: int) -> None:
    assert store.claim(NAME, number)
    source = write_version(folder / f"half-{number}")
    store.files.put_file(str(source / "saved_model.pb"), f"{store.root}/{NAME}/{number}/saved_model.pb")


@pytest.mark.parametrize("fatal", [2, 3, 4], ids=["claimed", "one file", "every file"])
def test_a_killed_publisher_s_files_are_pruned_and_its_number_is_never_given_again(
    fatal: int, s3_endpoint: str, tmp_path: Path
) -> None:
    store = s3_store(s3_endpoint)
    publish(store, NAME, write_version(tmp_path / "first"))
    promote(store, NAME, 1)
    crash = Path(__file__).with_name("bucket_crash.py")
    command = [sys.executable, crash, store.location, write_version(tmp_path / "killed", "killed"), str(fatal)]
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL_S3": s3_endpoint}
    assert subprocess.run(command, env=environment, timeout=120).returncode == -signal.SIGKILL
    assert store.versions(NAME) == [1]
    assert prune(store, NAME, grace_s=3600).swept == 0
    swept = prune(store, NAME, grace_s=-1).swept
    assert swept == (0 if fatal == 2 else 1)
    assert objects(store) == {*WHOLE, f"{NAME}/.claims/2"}
    assert publish(store, NAME, write_version(tmp_path / "next", "killed")) == 3


def test_only_what_is_old_enough_and_belongs_to_nobody_is_swept(bucket: BucketStore, tmp_path: Path) -> None:
    half_published(bucket, tmp_path, 2)
    publish(bucket, NAME, write_version(tmp_path / "third", "third"))
    quarantine(bucket, NAME, 3, "its answers differ")
    publish(bucket, "other", write_version(tmp_path / "other", "other"))
    half_published_other = f"{bucket.root}/other/7/saved_model.pb"
    bucket.files.pipe_file(half_published_other, b"half")
    before = objects(bucket)
    assert prune(bucket, NAME, grace_s=3600).swept == 0
    assert objects(bucket) == before
    assert prune(bucket, NAME, grace_s=-1).swept == 1
    assert objects(bucket) == before - {f"{NAME}/2/saved_model.pb"}
    assert prune(bucket, NAME, grace_s=-1).swept == 0


def test_a_publisher_that_ends_while_others_prune_loses_nothing(bucket: BucketStore, tmp_path: Path) -> None:
    source = write_version(tmp_path / "second", "second")
    number = publish(bucket, NAME, source)
    assert prune(bucket, NAME, grace_s=3600) == prune(bucket, NAME, grace_s=3600, dry_run=True)
    assert bucket.versions(NAME) == [1, number]


def test_uploads_in_parts_are_ended(s3_endpoint: str, tmp_path: Path) -> None:
    store = s3_store(s3_endpoint)
    publish(store, NAME, write_version(tmp_path / "first"))
    promote(store, NAME, 1)
    name = store.root.partition("/")[0]
    for key in (f"store/{NAME}/2/variables/variables.data", f"store/{NAME}x/2/saved_model.pb", "elsewhere"):
        store.files.call_s3("create_multipart_upload", Bucket=name, Key=key)
    assert store.sweep(NAME, 1e10) == 0  # moto's uploads are of 2010
    assert prune(store, NAME, grace_s=3600).swept == 1
    left = [upload["Key"] for upload in store.files.list_multipart_uploads(name)]
    assert sorted(left) == ["elsewhere", f"store/{NAME}x/2/saved_model.pb"]


def test_a_dead_process_s_lock_is_swept_and_holds_up_no_removal(tmp_path: Path) -> None:
    store = BucketStore(f"memory://{uuid.uuid4().hex}/store")
    for n in range(3):
        publish(store, NAME, write_version(tmp_path / f"v{n}", f"content {n}"))
    promote(store, NAME, 3)
    lock = f"{store.root}/{module.LOCK}"
    store.files.pipe_file(lock, b"dead\n")
    assert store.sweep(NAME, 3600) == 0
    assert store.files.exists(lock)
    pruned = prune(store, NAME, grace_s=-1)
    assert (pruned.removed, pruned.swept) == ([1, 2], 1)
    assert not store.files.exists(lock)
