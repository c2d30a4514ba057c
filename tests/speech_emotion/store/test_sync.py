from __future__ import annotations

from pathlib import Path

import pytest

from speech_emotion.errors import StoreError
from speech_emotion.store import sync as module
from speech_emotion.store.base import Store
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.errors import DamagedVersionError, NoRoomError, NoSuchVersionError
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote, set_canary
from speech_emotion.store.manifest import Manifest
from speech_emotion.store.prune import remove
from speech_emotion.store.publish import publish
from speech_emotion.store.sync import Copy, sync
from tests.support.stores import write_version

NAME, CREATED = "speech_emotion", "2026-11-28T00:00:00+00:00"


@pytest.fixture
def bucket(tmp_path: Path) -> BucketStore:
    """A bucket with versions 1 and 2, of which 1 is stable."""
    store = BucketStore(f"memory://{tmp_path.name}-{id(tmp_path)}/store")
    for n in (1, 2):
        publish(store, NAME, write_version(tmp_path / f"v{n}", f"content {n}"))
    promote(store, NAME, 1)
    return store


def publish_next(store: Store, folder: Path) -> int:
    return publish(store, NAME, write_version(folder / "next", "next"))


def damage(store: BucketStore, number: int) -> None:
    store.files.pipe_file(f"{store.root}/{NAME}/{number}/saved_model.pb", b"damaged")


def labels(folder: Path) -> dict[str, int]:
    return FolderStore(folder).read_config().labels(NAME)


def test_a_version_that_a_label_left_stays_until_servers_have_the_next(
    bucket: BucketStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    assert not copy.lingering
    promote(bucket, NAME, 2)
    bucket.delete(NAME, 1)
    assert list(copy.changes(bucket)) == ["models.config"]
    assert list(copy.changes(bucket)) == []
    assert copy.lingering
    monkeypatch.setattr(module, "LINGER_S", 0.0)
    assert list(copy.changes(bucket)) == [f"-{NAME}/1"]
    assert not copy.lingering


def test_labels_come_before_versions_that_nobody_waits_for(bucket: BucketStore, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    assert list(copy.changes(bucket)) == [f"+{NAME}/1", f"+{NAME}/2", "models.config"]
    third = publish_next(bucket, tmp_path)
    promote(bucket, NAME, 2)
    assert list(copy.changes(bucket)) == ["models.config", f"+{NAME}/{third}"]
    fourth = publish(bucket, NAME, write_version(tmp_path / "fourth", "fourth"))
    fifth = publish(bucket, NAME, write_version(tmp_path / "fifth", "fifth"))
    promote(bucket, NAME, fifth)
    assert list(copy.changes(bucket)) == [f"+{NAME}/{fifth}", "models.config", f"+{NAME}/{fourth}"]


def test_a_damaged_version_does_not_hold_up_the_others_and_their_labels(bucket: BucketStore, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    third = publish_next(bucket, tmp_path)
    damage(bucket, third)
    fourth = publish(bucket, NAME, write_version(tmp_path / "fourth", "fourth"))
    promote(bucket, NAME, fourth)
    remove(bucket, NAME, 2)
    looking = copy.changes(bucket)
    changes = [next(looking) for _ in range(3)]
    with pytest.raises(DamagedVersionError, match=r"does not match its manifest: saved_model\.pb"):
        next(looking)
    assert changes == [f"+{NAME}/{fourth}", "models.config", f"-{NAME}/2"]
    assert labels(tmp_path / "copy") == {"stable": fourth}
    assert sorted(path.name for path in (tmp_path / "copy" / NAME).iterdir()) == ["1", str(fourth)]


@pytest.mark.parametrize("fault", ["damaged", "a file is missing", "the manifest cannot be read", "no manifest"])
def test_a_label_never_comes_to_a_version_that_is_not_whole(fault: str, bucket: BucketStore, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    third = publish_next(bucket, tmp_path)
    promote(bucket, NAME, third)
    folder = f"{bucket.root}/{NAME}/{third}"
    match fault:
        case "damaged":
            damage(bucket, third)
        case "a file is missing":
            bucket.files.rm_file(f"{folder}/saved_model.pb")
        case "the manifest cannot be read":
            bucket.files.pipe_file(f"{folder}/manifest.json", b"{")
        case "no manifest":
            bucket.files.rm_file(f"{folder}/manifest.json")
    with pytest.raises((DamagedVersionError, NoSuchVersionError)):
        list(copy.changes(bucket))
    assert labels(tmp_path / "copy") == {"stable": 1}
    assert sorted(path.name for path in (tmp_path / "copy" / NAME).iterdir()) == ["1", "2"]


def test_an_emptied_bucket_takes_nothing_away(bucket: BucketStore, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    bucket.files.rm(f"{bucket.root}/{NAME}", recursive=True)
    with pytest.raises(NoSuchVersionError, match="a label of speech_emotion names version 1, which is not there"):
        list(copy.changes(bucket))
    assert FolderStore(tmp_path / "copy").versions(NAME) == [1]  # no label names the other
    bucket.files.rm(bucket.root, recursive=True)
    with pytest.raises(StoreError, match=r"is not a model store: it has no models\.config; `ser models publish`"):
        list(copy.changes(bucket))
    assert labels(tmp_path / "copy") == {"stable": 1}
    assert FolderStore(tmp_path / "copy").versions(NAME) == [1]


def test_a_number_that_names_another_version_now_is_told_and_the_copy_stays(
    bucket: BucketStore, tmp_path: Path
) -> None:
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    bucket.files.rm(bucket.root, recursive=True)
    publish(bucket, NAME, write_version(tmp_path / "other", "other"))
    with pytest.raises(DamagedVersionError, match="version 1 of speech_emotion is not the one that was copied before"):
        list(copy.changes(bucket))
    assert (tmp_path / "copy" / NAME / "1" / "saved_model.pb").read_text() == "content 1"


def test_a_copy_never_outgrows_what_its_folder_may_hold(bucket: BucketStore, tmp_path: Path) -> None:
    size = sum(len(f"content {n}") * 4 for n in (1, 2))
    copy = Copy(tmp_path / "copy", max_bytes=size + 2000)
    list(copy.changes(bucket))
    held = FolderStore(tmp_path / "copy").size()
    assert size < held < size + 2000
    large = publish(bucket, NAME, write_version(tmp_path / "large", "x" * 1000))
    set_canary(bucket, NAME, large)
    promote(bucket, NAME, 2)
    with pytest.raises(NoRoomError, match=f"version {large} of {NAME} has 4000 bytes, .* of at most {size + 2000}"):
        list(copy.changes(bucket))
    assert FolderStore(tmp_path / "copy").size() == held
    assert labels(tmp_path / "copy") == {"stable": 1}  # labels change together, and one of them cannot come
    set_canary(bucket, NAME, None)
    with pytest.raises(NoRoomError):
        list(copy.changes(bucket))
    assert labels(tmp_path / "copy") == {"stable": 2}
    assert list(Copy(tmp_path / "copy").changes(bucket)) == [f"+{NAME}/{large}"]


def test_what_lost_a_part_in_the_copy_comes_in_again(bucket: BucketStore, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    (tmp_path / "copy" / NAME / "2" / "saved_model.pb").unlink()
    promote(bucket, NAME, 2)
    assert list(copy.changes(bucket)) == [f"+{NAME}/2", "models.config"]
    assert FolderStore(tmp_path / "copy").versions(NAME) == [1, 2]
    assert list(copy.changes(bucket)) == []


def test_what_is_no_savedmodel_is_not_copied_and_goes_from_a_copy(bucket: BucketStore, tmp_path: Path) -> None:
    bucket.files.pipe_file(f"{bucket.root}/{NAME}/3/manifest.json", Manifest({}, CREATED).to_json().encode())
    (tmp_path / "copy" / NAME / "7").mkdir(parents=True)
    copy = Copy(tmp_path / "copy")
    assert list(copy.changes(bucket)) == [f"+{NAME}/1", f"+{NAME}/2", "models.config", f"-{NAME}/7"]
    assert list(copy.changes(bucket)) == []
    assert FolderStore(tmp_path / "copy").held(NAME) == [1, 2]


def test_leftovers_of_a_killed_copy_are_swept(bucket: BucketStore, tmp_path: Path) -> None:
    sync(bucket, tmp_path / "copy")
    leftover = tmp_path / "copy" / NAME / ".incoming-3-abc"
    leftover.mkdir()
    (leftover / "saved_model.pb").write_text("half")
    Copy(tmp_path / "copy").sweep()
    assert sorted(path.name for path in (tmp_path / "copy" / NAME).iterdir()) == ["1", "2"]


def test_two_models_are_copied_and_one_that_is_broken_leaves_the_other_alone(
    bucket: BucketStore, tmp_path: Path
) -> None:
    publish(bucket, "edge", write_version(tmp_path / "edge", "edge"))
    promote(bucket, "edge", 1)
    copy = Copy(tmp_path / "copy")
    list(copy.changes(bucket))
    assert copy.lacks([NAME, "edge", "third"]) == ["third"]
    bucket.files.rm(f"{bucket.root}/edge", recursive=True)
    publish_next(bucket, tmp_path)
    with pytest.raises(NoSuchVersionError, match="a label of edge names version 1"):
        list(copy.changes(bucket))
    assert FolderStore(tmp_path / "copy").versions(NAME) == [1, 2, 3]
    assert FolderStore(tmp_path / "copy").versions("edge") == [1]
