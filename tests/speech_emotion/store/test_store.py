from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from speech_emotion.errors import StoreError
from speech_emotion.store.base import Store, StoreConfig
from speech_emotion.store.errors import ConflictError, DamagedVersionError, InUseError, NoSuchVersionError
from speech_emotion.store.history import KEPT, Move, parse_history, render_history
from speech_emotion.store.labels import dangling, promote, rollback, set_canary
from speech_emotion.store.prune import prune, remove
from speech_emotion.store.publish import publish
from speech_emotion.store.sync import sync
from speech_emotion.store.withdraw import quarantine
from tests.support.stores import write_version

NAME = "speech_emotion"


def drop(store: Store, path: str) -> None:
    """Delete one file of the store by hand."""
    root = getattr(store, "root", None)
    if isinstance(root, Path):
        (root / path).unlink()
    else:
        store.files.rm_file(f"{root}/{path}")  # type: ignore[attr-defined]


def publish_many(store: Store, folder: Path, count: int) -> list[int]:
    return [publish(store, NAME, write_version(folder / f"v{n}", f"content {n}")) for n in range(count)]


def test_versions_come_in_with_the_next_number_and_a_manifest(store: Store, tmp_path: Path) -> None:
    assert publish_many(store, tmp_path, 2) == [1, 2]
    assert store.versions(NAME) == [1, 2]
    assert store.models() == [NAME]
    manifest = store.manifest(NAME, 2)
    assert manifest is not None
    assert set(manifest.files) == {"saved_model.pb", "variables/variables.index"}
    assert store.read(NAME, 2, "saved_model.pb") == b"content 1"
    fetched = store.fetch(NAME, 2, tmp_path / "fetched")
    assert (fetched / "variables" / "variables.index").read_text() == "content 1" * 3
    config = store.read_config()
    assert config.models.model_config_list.config[0].base_path == f"/models/{NAME}"
    assert config.models.model_config_list.config[0].model_version_policy.HasField("all")


def test_what_is_no_savedmodel_is_no_version(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 3)
    promote(store, NAME, 1)
    drop(store, f"{NAME}/2/saved_model.pb")
    assert (store.held(NAME), store.versions(NAME)) == ([1, 2, 3], [1, 3])
    for label in (promote, set_canary):
        with pytest.raises(
            NoSuchVersionError, match=r"version 2 of speech_emotion is no SavedModel, .*saved_model\.pb"
        ):
            label(store, NAME, 2)
    assert publish(store, NAME, tmp_path / "v1") == 4, "the same files come in anew, under a number of their own"
    with pytest.raises(DamagedVersionError, match=r"saved_model\.pb"):
        store.fetch(NAME, 2, tmp_path / "fetched")
    with pytest.raises(DamagedVersionError, match=r"saved_model\.pb"):
        sync(store, tmp_path / "mirror")
    remove(store, NAME, 2)
    assert (store.held(NAME), store.read_config().leaving) == ([1, 3, 4], frozenset())


def test_prune_deletes_what_is_no_savedmodel(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 2)
    promote(store, NAME, 1)
    drop(store, f"{NAME}/2/saved_model.pb")
    assert prune(store, NAME, grace_s=-1).removed == [2]
    assert publish(store, NAME, write_version(tmp_path / "next", "next")) == 3


def test_prune_deletes_nothing_while_stable_names_no_version(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 3)
    promote(store, NAME, 2)
    store.delete(NAME, 2)  # by hand, or by another tool
    assert dangling(store, store.read_config(), NAME) == {"stable": 2}
    for dry_run in (True, False):
        with pytest.raises(NoSuchVersionError, match="stable of speech_emotion names version 2, which is not there"):
            prune(store, NAME, grace_s=-1, dry_run=dry_run)
    assert store.versions(NAME) == [1, 3]
    promote(store, NAME, 1)
    assert dangling(store, store.read_config(), NAME) == {}
    assert prune(store, NAME, grace_s=-1).removed == [3]


def test_a_file_below_a_version_may_be_called_like_its_manifest(store: Store, tmp_path: Path) -> None:
    source = write_version(tmp_path / "v")
    (source / "assets.extra").mkdir()
    (source / "assets.extra" / "manifest.json").write_text("our own")
    (source / "manifest.json").write_text("of another store")
    assert publish(store, NAME, source) == 1
    assert store.read(NAME, 1, "assets.extra/manifest.json") == b"our own"
    assert store.read(NAME, 1, "manifest.json") != b"of another store"
    assert sync(store, tmp_path / "mirror") == [f"+{NAME}/1", "models.config"]
    assert (tmp_path / "mirror" / NAME / "1" / "assets.extra" / "manifest.json").read_text() == "our own"


def test_the_same_version_is_not_published_twice(store: Store, tmp_path: Path) -> None:
    source = write_version(tmp_path / "v")
    assert (publish(store, NAME, source), publish(store, NAME, source)) == (1, 1)
    assert store.versions(NAME) == [1]


def test_no_savedmodel_is_refused_before_a_number_is_taken(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"no saved_model\.pb"):
        publish(store, NAME, tmp_path / "empty")
    assert publish_many(store, tmp_path, 1) == [1]


def test_publishers_at_once_get_numbers_of_their_own(store: Store, tmp_path: Path) -> None:
    sources = [write_version(tmp_path / f"v{n}", f"content {n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda source: publish(store, NAME, source), sources))
    assert sorted(numbers) == store.versions(NAME) == [1, 2, 3, 4]
    for number, source in zip(numbers, sources, strict=True):
        assert store.read(NAME, number, "saved_model.pb") == (source / "saved_model.pb").read_bytes()


def test_labels_move_and_come_back(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 3)
    promote(store, NAME, 1)
    set_canary(store, NAME, 2)
    assert store.read_config().labels(NAME) == {"stable": 1, "canary": 2}
    promote(store, NAME)
    assert store.read_config().labels(NAME) == {"stable": 2}
    promote(store, NAME, 3)
    assert rollback(store, NAME).after == 2
    assert rollback(store, NAME).after == 1
    with pytest.raises(NoSuchVersionError, match="no earlier stable"):
        rollback(store, NAME)
    promote(store, NAME, 3)
    assert rollback(store, NAME).after == 1
    assert store.read_config().labels(NAME) == {"stable": 1}


def test_what_cannot_be_labelled_is_refused(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 1)
    with pytest.raises(NoSuchVersionError, match="no version 7"):
        promote(store, NAME, 7)
    with pytest.raises(NoSuchVersionError, match="no canary"):
        promote(store, NAME)
    quarantine(store, NAME, 1, "answers wrongly")
    quarantine(store, NAME, 1, "answers wrongly")
    with pytest.raises(NoSuchVersionError, match="no version 1"):
        set_canary(store, NAME, 1)
    assert publish(store, NAME, write_version(tmp_path / "next", "next")) == 2


def test_a_stale_token_never_overwrites(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 2)
    stale = store.read_config()
    promote(store, NAME, 1)
    stale.entry(NAME).version_labels["stable"] = 2
    with pytest.raises(ConflictError):
        store.swap_config(stale)
    with pytest.raises(ConflictError):
        store.swap_config(replace(stale, token=None))
    assert store.read_config().labels(NAME) == {"stable": 1}


def test_a_promotion_decided_on_another_stable_is_refused(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 3)
    promote(store, NAME, 1, expected=None)
    promote(store, NAME, 2, expected=1)
    with pytest.raises(ConflictError, match="now names 2, not 1"):
        promote(store, NAME, 3, expected=1)


def test_labels_of_several_at_once_are_all_kept(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 2)

    def add(n: int) -> StoreConfig:
        def change(config: StoreConfig) -> StoreConfig:
            config.entry(NAME).version_labels[f"label{n}"] = 1
            return config

        return store.update(change)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    assert store.read_config().labels(NAME) == {f"label{n}": 1 for n in range(8)}


def test_prune_keeps_stable_its_predecessor_and_canary(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 5)
    promote(store, NAME, 2)
    promote(store, NAME, 3)
    set_canary(store, NAME, 4)
    assert prune(store, NAME, grace_s=3600).removed == []
    assert prune(store, NAME, grace_s=-1, dry_run=True).removed == [1, 5]
    assert prune(store, NAME, grace_s=-1).removed == [1, 5]
    assert store.versions(NAME) == [2, 3, 4]
    for number in (2, 3, 4):
        with pytest.raises(InUseError):
            remove(store, NAME, number)
    assert publish(store, NAME, write_version(tmp_path / "next", "next")) == 6


def test_a_move_of_one_model_keeps_no_version_of_another(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_many(store, tmp_path, 3)
    promote(store, NAME, 3)
    moves = Move.now("other", "stable", 1, 4), Move.now(NAME, "canary", 2, None)
    store.update(lambda config: replace(config, history=(*config.history, *moves)))
    monkeypatch.setattr("speech_emotion.store.prune._published_s_ago", lambda *_: float("inf"))
    assert prune(store, NAME, grace_s=3600).removed == [1]


def test_a_bucket_or_folder_is_mirrored_whole(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 2)
    promote(store, NAME, 2)
    assert sync(store, tmp_path / "mirror") == [f"+{NAME}/2", f"+{NAME}/1", "models.config"]
    assert sync(store, tmp_path / "mirror") == []
    remove(store, NAME, 1)
    assert sync(store, tmp_path / "mirror") == [f"-{NAME}/1"]
    assert sorted(path.name for path in (tmp_path / "mirror" / NAME).iterdir()) == ["2"]


def test_a_damaged_version_is_never_fetched(store: Store, tmp_path: Path) -> None:
    publish_many(store, tmp_path, 1)
    root = getattr(store, "root", None)
    if isinstance(root, Path):
        (root / NAME / "1" / "saved_model.pb").write_text("other")
    else:
        store.files.pipe_file(f"{root}/{NAME}/1/saved_model.pb", b"other")  # type: ignore[attr-defined]
    with pytest.raises(DamagedVersionError, match=r"saved_model\.pb"):
        store.fetch(NAME, 1, tmp_path / "fetched")


def test_the_history_survives_what_is_no_history() -> None:
    move = Move.now(NAME, "stable", 1, 2)
    text = "# a remark\n# label-history: nonsense\n" + render_history([move])
    assert parse_history(text) == (move,)
    assert len(parse_history(render_history([move] * (KEPT + 5)))) == KEPT
    others = [Move.now("other", "canary", n, n + 1) for n in range(KEPT + 5)]
    assert parse_history(render_history([move, *others])) == (move, *others[-KEPT:])
