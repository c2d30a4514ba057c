from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from speech_emotion.errors import StoreError
from speech_emotion.store import bucket, contention
from speech_emotion.store.base import Store, StoreConfig
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.contention import until_undisturbed
from speech_emotion.store.errors import ConflictError
from speech_emotion.store.publish import publish
from tests.support.stores import write_version

NAME = "speech_emotion"


def with_label(name: str) -> Callable[[StoreConfig], StoreConfig]:
    def change(config: StoreConfig) -> StoreConfig:
        config.entry(NAME).version_labels[name] = 1
        return config

    return change


def test_many_writers_at_once_all_have_their_turn(store: Store, tmp_path: Path) -> None:
    publish(store, NAME, write_version(tmp_path / "v"))
    names = [f"label{n}" for n in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: store.update(with_label(name)), names))
    assert store.read_config().labels(NAME) == dict.fromkeys(names, 1)


def test_a_writer_whom_others_always_outrun_gives_up_with_a_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contention, "WAIT_S", 2.0)
    publish(store, NAME, write_version(tmp_path / "v"))
    turns = 0

    def outrun(config: StoreConfig) -> StoreConfig:
        nonlocal turns
        turns += 1
        with monkeypatch.context() as calm:
            calm.setattr(contention, "WAIT_S", 60)
            store.update(with_label(f"faster{turns}"))
        return with_label("slower")(config)

    message = re.escape(f"{store.location}/models.config: other processes were faster at every attempt for 2 seconds")
    with pytest.raises(ConflictError, match=message):
        store.update(outrun)
    labels = store.read_config().labels(NAME)
    assert "slower" not in labels
    assert len(labels) == turns > 1


def test_a_change_that_refuses_is_not_tried_again(store: Store, tmp_path: Path) -> None:
    publish(store, NAME, write_version(tmp_path / "v"))
    asked = []

    def refuse(config: StoreConfig) -> StoreConfig:
        asked.append(config)
        raise ConflictError("stable has moved")

    with pytest.raises(ConflictError, match="stable has moved"):
        store.update(refuse)
    assert len(asked) == 1


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    answers = iter([None] * 30 + ["done"])
    assert until_undisturbed(lambda: next(answers), "it") == "done"
    assert len(set(pauses)) == 30
    assert max(pauses[:3]) <= 0.08
    assert max(pauses) > 0.1
    assert max(pauses) <= contention.LONGEST_PAUSE_S


def test_a_lock_that_goes_round_is_waited_for_and_one_that_nobody_releases_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "LOCK_WAIT_S", 0.2)
    store = BucketStore(f"memory://{tmp_path.name}/store")
    publish(store, NAME, write_version(tmp_path / "v"))
    lock = f"{store.root}/{bucket.LOCK}"
    holders = iter(range(6))

    def next_holder(_: str) -> bytes:
        """What a waiting writer reads: another holder each time, until there is none."""
        holder = next(holders, None)
        if holder is None and store.files.exists(lock):
            store.files.rm_file(lock)
        return f"{holder}".encode()

    store.files.pipe_file(lock, b"somebody\n")
    with monkeypatch.context() as busy:
        busy.setattr(store, "_content", next_holder)
        store.update(with_label("after all of them"))
    assert not store.files.exists(lock)
    store.files.pipe_file(lock, b"dead\n")
    with pytest.raises(StoreError, match=r"models\.config\.lock is held by one process for 0\.2 seconds: delete it"):
        store.update(with_label("never"))
