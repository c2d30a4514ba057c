from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from speech_emotion.store import bucket as bucket_module
from speech_emotion.store import follow
from speech_emotion.store.base import Store
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.exposition import served
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.follow import Follower
from speech_emotion.store.labels import promote
from speech_emotion.store.open import open_store
from speech_emotion.store.publish import publish
from speech_emotion.store.sync import Copy
from tests.speech_emotion.store.conftest import s3_store
from tests.support.s3 import KEYS, FaultyS3, faulty_s3
from tests.support.stores import write_version
from tests.support.waiting import until

NAME = "speech_emotion"
PATIENT_S = 60.0


class Followed:
    """A bucket, its copy behind a faulty network, and what the follower said."""

    def __init__(self, store: BucketStore, s3: FaultyS3, folder: Path) -> None:
        self.store, self.s3, self.folder = store, s3, folder
        self.said: list[str] = []
        self.complaints: list[str] = []
        self.follower = self.start()

    def start(self) -> Follower:
        self.copy = Copy(self.folder)
        self.follower = Follower(
            lambda: open_store(self.store.location),
            self.copy,
            models=[NAME],
            say=self.said.append,
            complain=self.complaints.append,
        )
        return self.follower

    def wait(self, seconds: float) -> None:
        """Wait for answers no longer than this, in a store that is opened anew."""
        bucket_module.S3_CONFIG["read_timeout"] = seconds
        self.follower._store = None

    def labels(self) -> dict[str, int]:
        return FolderStore(self.folder).read_config().labels(NAME)

    def publish(self, folder: Path, content: str) -> int:
        return publish(self.store, NAME, write_version(folder / content, content))


@pytest.fixture
def followed(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Followed]:
    with faulty_s3(s3_endpoint) as s3:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL_S3": s3.endpoint}.items():
            monkeypatch.setenv(name, value)
        store = s3_store(s3_endpoint)  # its own writes have time
        quick = {"connect_timeout": 30, "read_timeout": PATIENT_S, "retries": {"total_max_attempts": 1}}
        monkeypatch.setattr(bucket_module, "S3_CONFIG", quick)
        monkeypatch.setattr("s3fs.S3FileSystem.retries", 2)
        monkeypatch.setattr(follow, "REOPEN_S", 0.0)
        found = Followed(store, s3, tmp_path / "copy")
        for content in ("first", "second"):
            found.publish(tmp_path, content)
        promote(found.store, NAME, 1)
        yield found


def test_a_copy_that_is_equal_costs_one_request(followed: Followed) -> None:
    followed.follower.look()
    assert followed.said[-1] == "the copy is whole"
    followed.s3.seen.clear()
    followed.follower.look()
    assert len(followed.s3.seen) == 1
    assert "list-type=2" in followed.s3.seen[0]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("away", "onnect"),
        ("slow", "imeout"),
        ("expired", "The provided token has expired"),
    ],
)
def test_a_store_that_does_not_answer_is_told_once_and_followed_again_afterwards(
    fault: str, words: str, followed: Followed, tmp_path: Path
) -> None:
    followed.follower.look()
    synced = followed.follower.synced_at
    followed.s3.fault, followed.s3.delay_s = fault, 1.0
    followed.wait(0.3 if fault == "slow" else PATIENT_S)
    for _ in range(3):
        followed.follower.look()
    (complaint,) = followed.complaints
    assert complaint.startswith(f"{followed.store.location}: ")
    assert words in complaint
    assert followed.follower.failures == 3
    assert followed.follower.synced_at == synced
    assert followed.follower.ready
    assert followed.labels() == {"stable": 1}
    followed.s3.fault = ""
    followed.wait(PATIENT_S)
    third = followed.publish(tmp_path, "third")
    promote(followed.store, NAME, third)
    followed.follower.look()
    assert followed.labels() == {"stable": third}
    assert followed.said[-1].startswith("the copy is equal to the store again, after")
    assert followed.follower.problem is None
    followed.s3.fault = fault
    followed.wait(0.3 if fault == "slow" else PATIENT_S)
    followed.follower.look()
    assert len(followed.complaints) == 2  # another outage


def test_a_body_that_ends_early_never_becomes_a_version(followed: Followed) -> None:
    followed.s3.fault = "torn"
    followed.follower.look()
    assert not followed.follower.ready
    assert FolderStore(followed.folder).versions(NAME) == [] if followed.folder.exists() else True
    followed.s3.fault = ""
    followed.follower.look()
    assert followed.follower.ready
    assert FolderStore(followed.folder).versions(NAME) == [1, 2]


def test_an_empty_bucket_is_waited_for(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL_S3": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    with faulty_s3(s3_endpoint) as s3:
        empty = Followed(s3_store(s3_endpoint), s3, tmp_path / "copy")
        for _ in range(2):
            empty.follower.look()
        (complaint,) = empty.complaints
        assert "is not a model store: it has no models.config" in complaint
        assert not empty.follower.ready
        publish(empty.store, "edge", write_version(tmp_path / "edge", "edge"))
        empty.follower.look()
        assert f"has no version of the model {NAME}" in empty.complaints[-1]
        assert not empty.follower.ready
        empty.publish(tmp_path, "first")
        empty.follower.look()
        assert empty.follower.ready
        assert empty.said[-1] == "the copy is whole"


def test_a_bucket_that_does_not_exist_and_a_bad_address_are_sentences(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL_S3": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(follow, "REOPEN_S", 0.0)
    complaints: list[str] = []
    follower = Follower(lambda: open_store("s3://nowhere/store"), Copy(tmp_path), say=print, complain=complaints.append)
    follower.look()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "nonsense")
    follower.look()
    assert len(complaints) == 2
    assert "s3://nowhere/store" in complaints[0]
    assert "Invalid endpoint: nonsense" in complaints[1]


def test_credentials_are_read_anew_after_a_failure(
    followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    followed.follower.look()
    assert "Unable to locate credentials" in followed.complaints[0]
    file.write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    followed.follower.look()
    assert followed.said[-1] == "the copy is whole"


def test_a_store_that_fails_is_not_opened_at_every_look(tmp_path: Path) -> None:
    opened: list[str] = []

    def open_store_here() -> Store:
        opened.append("opened")
        return FolderStore(tmp_path / "nothing")

    follower = Follower(open_store_here, Copy(tmp_path / "copy"), say=print, complain=print)
    for _ in range(5):
        follower.look()
    assert (follower.failures, opened) == (5, ["opened"])


def test_a_restarted_follower_is_ready_by_the_copy_that_is_there(followed: Followed) -> None:
    followed.follower.look()
    followed.s3.fault = "away"
    again = followed.start()
    assert again.ready
    again.look()
    assert again.ready
    assert again.synced_at == 0.0


def test_the_status_says_how_old_the_copy_is(followed: Followed) -> None:
    with served("127.0.0.1", 0, followed.follower, followed.copy) as port:
        url = f"http://127.0.0.1:{port}"
        waiting = requests.get(f"{url}/readyz", timeout=60)
        assert (waiting.status_code, waiting.text) == (503, "the first copy is being made\n")
        assert value(url, "speech_emotion_store_synced_timestamp_seconds") == 0
        followed.s3.fault = "expired"
        followed.follower.look()
        refused = requests.get(f"{url}/readyz", timeout=60)
        assert refused.status_code == 503
        assert "The provided token has expired" in refused.text
        assert value(url, "speech_emotion_store_sync_failures_total") == 1
        followed.s3.fault = ""
        before = time.time()
        followed.follower.look()
        assert requests.get(f"{url}/readyz", timeout=60).status_code == 200
        assert before <= value(url, "speech_emotion_store_synced_timestamp_seconds") <= time.time()
        assert value(url, "speech_emotion_store_copy_bytes") == FolderStore(followed.folder).size() > 0
        page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
        documented = set(re.findall(r"^\| `(speech_emotion_store_\w+)` \|", page, re.MULTILINE))
        assert (
            set(re.findall(r"^(speech_emotion_\w+) ", requests.get(f"{url}/metrics", timeout=60).text, re.MULTILINE))
            == documented
        )
        assert requests.get(f"{url}/elsewhere", timeout=60).status_code == 404


def test_the_status_listens_on_addresses_of_both_families(followed: Followed) -> None:
    with served("::1", 0, followed.follower, followed.copy) as port:
        assert requests.get(f"http://[::1]:{port}/readyz", timeout=60).status_code == 503
        taken = served("::1", port, followed.follower, followed.copy)
        with pytest.raises(OSError, match="Address already in use"):
            taken.__enter__()


def value(url: str, name: str) -> float:
    lines = requests.get(f"{url}/metrics", timeout=60).text.splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    return float(line.split()[1])


def test_it_looks_until_it_is_told_to_stop(tmp_path: Path) -> None:
    source = FolderStore(tmp_path / "store")
    publish(source, NAME, write_version(tmp_path / "v"))
    follower = Follower(lambda: source, Copy(tmp_path / "copy"), say=print, complain=print)
    stop = threading.Event()
    thread = threading.Thread(target=follower.run, args=(0.01, stop))
    thread.start()
    try:
        promote(source, NAME, 1)
        until(lambda: FolderStore(tmp_path / "copy").read_config().labels(NAME) == {"stable": 1})
    finally:
        stop.set()
        thread.join()


def test_every_store_can_be_followed(store: Store, tmp_path: Path) -> None:
    follower = Follower(lambda: store, Copy(tmp_path / "copy"), models=[NAME], say=print, complain=print)
    publish(store, NAME, write_version(tmp_path / "v"))
    follower.look()
    assert follower.ready
    promote(store, NAME, 1)
    follower.look()
    assert follower.problem is None
    assert FolderStore(tmp_path / "copy").read_config().labels(NAME) == {"stable": 1}
    publish(store, NAME, write_version(tmp_path / "w", "two"))
    follower.look()
    assert FolderStore(tmp_path / "copy").versions(NAME) == [1, 2]
