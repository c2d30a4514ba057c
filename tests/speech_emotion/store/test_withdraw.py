"""A version that a label names, or that gets a label at this very moment, never leaves the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speech_emotion.store.base import Store, StoreConfig
from speech_emotion.store.errors import InUseError, NoSuchVersionError
from speech_emotion.store.labels import promote, set_canary
from speech_emotion.store.prune import prune, remove
from speech_emotion.store.publish import publish
from speech_emotion.store.sync import sync
from speech_emotion.store.withdraw import leaving, quarantine
from tests.support.stores import write_version

NAME = "speech_emotion"


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """Three versions, the first one stable."""
    for content in ("one", "two", "three"):
        publish(store, NAME, write_version(tmp_path / content, content))
    promote(store, NAME, 1)
    return store


def test_quarantine_leaves_what_a_label_names(filled: Store, tmp_path: Path) -> None:
    assert publish(filled, NAME, tmp_path / "one") == 1, "the same files are the same version"
    set_canary(filled, NAME, 2)
    for number, label in ((1, "stable"), (2, "canary")):
        with pytest.raises(InUseError, match=f"version {number} of {NAME} stays: it is {label}"):
            quarantine(filled, NAME, number, "answers wrongly")
    assert filled.versions(NAME) == [1, 2, 3]
    assert filled.read_config().leaving == frozenset()
    set_canary(filled, NAME, None)
    quarantine(filled, NAME, 2, "answers wrongly")
    assert filled.versions(NAME) == [1, 3]
    assert filled.read_config().labels(NAME) == {"stable": 1}


@pytest.mark.parametrize("take", [lambda *args: quarantine(*args, "bad"), remove], ids=["quarantine", "remove"])
def test_a_label_that_comes_between_look_and_swap_keeps_the_version(
    filled: Store, monkeypatch: pytest.MonkeyPatch, take: Callable[[Store, str, int], None]
) -> None:
    swap = filled.swap_config
    moved: list[Any] = []

    def swap_late(config: StoreConfig) -> None:
        if not moved:
            moved.append(None)  # before the promotion, which swaps as well
            promote(filled, NAME, 3)
        swap(config)

    monkeypatch.setattr(filled, "swap_config", swap_late)
    with pytest.raises(InUseError, match="it is stable"):
        take(filled, NAME, 3)
    assert filled.versions(NAME) == [1, 2, 3]
    assert filled.read_config().labels(NAME) == {"stable": 3}


def test_no_label_comes_to_a_version_that_is_leaving(filled: Store, tmp_path: Path) -> None:
    with leaving(filled, NAME, 2, lambda _: None):
        for label in (promote, set_canary):
            with pytest.raises(NoSuchVersionError, match="version 2 of speech_emotion is being removed"):
                label(filled, NAME, 2)
        assert publish(filled, NAME, tmp_path / "two") == 4, "the same files come in anew"
        assert filled.read_config().leaving == {(NAME, 2)}
        filled.delete(NAME, 2)
    assert filled.read_config().leaving == frozenset()
    promote(filled, NAME, 4)


def test_a_removal_that_broke_off_is_done_again(filled: Store) -> None:
    with pytest.raises(ZeroDivisionError), leaving(filled, NAME, 2, lambda _: None):
        raise ZeroDivisionError
    with pytest.raises(NoSuchVersionError, match="is being removed"):
        promote(filled, NAME, 2)
    remove(filled, NAME, 2)
    assert (filled.versions(NAME), filled.read_config().leaving) == ([1, 3], frozenset())


def test_prune_passes_over_what_got_a_label_or_went_meanwhile(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    held, asked = filled.held, []

    def held_once(name: str) -> list[int]:
        found = held(name)
        if not asked:
            asked.append(name)
            monkeypatch.setattr(filled, "held", held)
            set_canary(filled, NAME, 2)
            remove(filled, NAME, 3)
        return found

    config = filled.read_config()
    monkeypatch.setattr(filled, "read_config", lambda: _once(monkeypatch, filled, config))
    monkeypatch.setattr(filled, "held", held_once)
    assert prune(filled, NAME, grace_s=-1).removed == []
    assert held(NAME) == [1, 2]


def _once(monkeypatch: pytest.MonkeyPatch, store: Store, config: StoreConfig) -> StoreConfig:
    monkeypatch.setattr(store, "read_config", type(store).read_config.__get__(store))
    return config


def test_a_version_without_any_configuration_can_be_removed(store: Store, tmp_path: Path) -> None:
    publish(store, NAME, write_version(tmp_path / "one"))
    root = getattr(store, "root", None)
    if isinstance(root, Path):
        (root / "models.config").unlink()
    else:
        store.files.rm_file(f"{root}/models.config")  # type: ignore[attr-defined]
    quarantine(store, NAME, 1, "bad")
    assert (store.versions(NAME), store.read_config().token) == ([], None)


def test_a_mirror_never_loses_what_its_labels_name(filled: Store, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    sync(filled, mirror)
    filled.delete(NAME, 1)  # by hand, or by another tool
    filled.delete(NAME, 2)
    with pytest.raises(NoSuchVersionError, match="names version 1, which is not there"):
        sync(filled, mirror)
    assert sorted(path.name for path in (mirror / NAME).iterdir()) == ["1", "3"]
