"""Which versions a policy wants, and how base paths and the configuration file are watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from model_server.errors import ServingError, invalid_argument
from model_server.watchers import BasePathWatcher, ConfigFileWatcher, choose_versions, read_model_config
from speech_emotion.protos import model_server_config_pb2


def model(base_path: Path, policy: str = "", name: str = "m") -> model_server_config_pb2.ModelConfig:
    config = model_server_config_pb2.ModelConfig(name=name, base_path=str(base_path), model_platform="tensorflow")
    return text_format.Parse(f"model_version_policy {{ {policy} }}" if policy else "", config)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("1", "2", "10", "007", ".tmp-3", "3.partial", "four", "²", str(2**63)):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("", [10]),
        ("latest {}", [10]),
        ("latest { num_versions: 2 }", [7, 10]),
        ("latest { num_versions: 99 }", [1, 2, 7, 10]),
        ("all {}", [1, 2, 7, 10]),
        ("specific { versions: 2 versions: 7 versions: 8 }", [2, 7]),
        ("specific { versions: 8 }", []),
    ],
)
def test_a_policy_chooses_among_the_folders_named_by_an_integer(store: Path, policy: str, wanted: list[int]) -> None:
    chosen = choose_versions(model(store, policy))
    assert sorted(chosen) == wanted
    assert chosen.get(7, store / "007") == store / "007"


def test_new_and_gone_folders_are_passed_on(store: Path) -> None:
    wanted: dict[str, dict[int, Path]] = {}
    watcher = BasePathWatcher(wanted.__setitem__, poll_wait_s=0)
    watcher.watch([model(store), model(store, "all {}", "every")])
    assert wanted == {
        "m": {10: store / "10"},
        "every": {n: store / p for n, p in ((1, "1"), (2, "2"), (7, "007"), (10, "10"))},
    }
    (store / "11").mkdir()
    (store / "2").rmdir()
    watcher.look()
    assert list(wanted["m"]) == [11]
    assert sorted(wanted["every"]) == [1, 7, 10, 11]
    watcher.watch([model(store)])
    assert wanted["every"] == {}


def test_a_base_path_that_is_away_keeps_what_is_loaded_and_is_said_once(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted: dict[str, dict[int, Path]] = {}
    watcher = BasePathWatcher(wanted.__setitem__, poll_wait_s=0)
    watcher.watch([model(store)])
    store.rename(store.with_name("away"))
    watcher.look()
    watcher.look()
    assert list(wanted["m"]) == [10]
    assert [r.getMessage() for r in caplog.records] == [
        f"Could not find base path {store} for servable m: No such file or directory"
    ]


def test_nothing_changes_while_one_base_path_is_away(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    wanted: dict[str, dict[int, Path]] = {}
    watcher = BasePathWatcher(wanted.__setitem__, poll_wait_s=0)
    other = tmp_path_factory.mktemp("other")
    watcher.watch([model(store), model(other, name="other")])
    (store / "11").mkdir()
    other.rmdir()
    watcher.look()
    assert list(wanted["m"]) == [10]
    other.mkdir()
    watcher.look()
    assert list(wanted["m"]) == [11]


def test_a_base_path_without_versions_wants_none_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wanted: dict[str, Any] = {}
    BasePathWatcher(wanted.__setitem__, poll_wait_s=0).watch([model(tmp_path)])
    assert wanted == {"m": {}}
    assert f"No versions found under base path {tmp_path} for servable m" in caplog.text


def test_a_negative_wait_never_looks(store: Path) -> None:
    wanted: dict[str, Any] = {}
    BasePathWatcher(wanted.__setitem__, poll_wait_s=-1).watch([model(store)])
    assert wanted == {}


@pytest.mark.parametrize("text", ["model_config_list { config { name: 1 } }", "nonsense", "\xff"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "models.config"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ServingError, match="Invalid protobuf file"):
        read_model_config(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="No such file"):
        read_model_config(tmp_path / "models.config")


def test_each_look_hands_the_file_on_and_a_refusal_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "models.config"
    accepted: list[Any] = []
    refuse = False

    def reload(config: Any) -> None:
        if refuse:
            raise invalid_argument("not like this")
        accepted.append(config)

    watcher = ConfigFileWatcher(file, reload, poll_wait_s=0)
    watcher.look()
    watcher.look()
    file.write_text("model_config_list {}")
    watcher.look()
    assert len(accepted) == 1
    refuse = True
    watcher.look()
    watcher.look()
    for text in ("nonsense", "nonsense", "more nonsense: {"):
        file.write_text(text)
        watcher.look()
    messages = [r.getMessage() for r in caplog.records]
    assert len(messages) == 4
    assert all(f"Invalid protobuf file: '{file}'" in message for message in messages[2:])
    assert messages[0].startswith(f"Failed to read ModelServerConfig file: {file}; No such file")
    assert messages[1] == "Failed to put the configuration in force: not like this (the old configuration stays)"
