from __future__ import annotations

import time
from pathlib import Path

import pytest

from ser.serve import ConfigMirror, ServeError
from speech_emotion.store.config import read_config
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote, rollback
from speech_emotion.store.publish import publish
from tests.support.stores import write_version

NAME = "speech_emotion"


def test_the_mirror_follows_the_labels_of_its_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for n in range(2):
        publish(store, NAME, write_version(tmp_path / f"v{n}", f"{n}"))
    promote(store, NAME, 1)
    mirror = ConfigMirror(store.root, tmp_path / "models.config")
    for move, expected in ((lambda: promote(store, NAME, 2), 2), (lambda: rollback(store, NAME), 1)):
        time.sleep(0.02)  # a clock tick of the file system
        move()
        mirror.refresh()
        (model,) = read_config(mirror.target).model_config_list.config
        assert dict(model.version_labels) == {"stable": expected}
        assert model.base_path == str(store.root.resolve() / NAME)


def test_the_mirror_holds_the_models_that_are_asked_for(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for name in ("large", "small"):
        publish(store, name, write_version(tmp_path / name, name))
        promote(store, name, 1)
    for asked, mirrored in (
        ((), ("large", "small")),
        (("small",), ("small",)),
        (("small", "large"), ("small", "large")),
    ):
        mirror = ConfigMirror(store.root, tmp_path / "models.config", asked)
        assert mirror.models == mirrored
        config = read_config(mirror.target).model_config_list.config
        assert [(model.name, model.base_path) for model in config] == [
            (name, str(store.root.resolve() / name)) for name in mirrored
        ]
    with pytest.raises(ServeError, match=r"names no model absent\. It names large, small"):
        ConfigMirror(store.root, tmp_path / "models.config", ("small", "absent"))


def test_a_config_that_cannot_be_read_leaves_the_mirror_as_it_was(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    publish(store, NAME, write_version(tmp_path / "v"))
    mirror = ConfigMirror(store.root, tmp_path / "models.config")
    before = mirror.target.read_text()
    time.sleep(0.02)
    (store.root / "models.config").write_text("nonsense")
    mirror.refresh()
    assert mirror.target.read_text() == before
    with pytest.raises(ServeError, match="cannot be read"):
        ConfigMirror(store.root, tmp_path / "other.config")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00m"], ids=["away", "no text"])
def test_a_config_that_is_away_or_no_text_leaves_the_mirror_until_it_is_back(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FolderStore(tmp_path / "store")
    publish(store, NAME, write_version(tmp_path / "v"))
    mirror = ConfigMirror(store.root, tmp_path / "models.config")
    before, own = mirror.target.read_text(), mirror.source.read_text()
    time.sleep(0.02)
    mirror.source.unlink() if content is None else mirror.source.write_bytes(content)
    for _ in range(2):
        mirror.refresh()
    assert mirror.target.read_text() == before
    assert capsys.readouterr().out.count("is passed over") == 1
    mirror.source.write_text(own)
    mirror.target.unlink()
    mirror.refresh()
    assert mirror.target.read_text() == before
    mirror.source.unlink() if content is None else mirror.source.write_bytes(content)
    with pytest.raises(ServeError, match=r"models\.config"):
        ConfigMirror(store.root, tmp_path / "other.config")
