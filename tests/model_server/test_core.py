"""Configurations, labels and addresses, as recorded and as described of the real server."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import text_format

from model_server.core import ServerCore
from model_server.errors import Code, ServingError
from model_server.loader import Loader
from model_server.watchers import BasePathWatcher
from speech_emotion.protos import model_pb2, model_server_config_pb2
from tests.support.waiting import until


def load(name: str, number: int, path: Path) -> Any:
    return SimpleNamespace(name=name, version=number, path=path)


class Server:
    """A core on a folder, whose watcher looks when told to."""

    def __init__(self, store: Path, *, allow: bool) -> None:
        self.store = store
        self.loader = Loader(load)
        self.watcher = BasePathWatcher(self.loader.want, poll_wait_s=0)
        self.core = ServerCore(self.loader, self.watcher, allow_labels_for_unavailable=allow)

    def config(self, text: str) -> model_server_config_pb2.ModelServerConfig:
        text = text.replace("MODEL", f"name: 'm' base_path: '{self.store}' model_platform: 'tensorflow'")
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())

    def reload(self, text: str) -> None:
        self.core.wait_until_served(self.core.reload(self.config(text)), 60)

    def add(self, number: int) -> None:
        (self.store / str(number)).mkdir()
        self.watcher.look()
        self.settle(number)

    def settle(self, number: int, served: bool = True) -> None:
        until(lambda: bool(self.loader.servable("m", number)) == served)

    def version(self, **spec: Any) -> int:
        return self.core.servable(model_pb2.ModelSpec(name="m", **spec)).version


@pytest.fixture
def server(tmp_path: Path) -> Server:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    return Server(tmp_path, allow=True)


ALL = "model_version_policy { all {} }"
NOT_AVAILABLE = "Request to assign label to version 3 of model m, which is not currently available for inference"


def label(version: int, policy: str = ALL, name: str = "stable") -> str:
    return f"model_config_list {{ config {{ MODEL {policy} version_labels {{ key: '{name}' value: {version} }} }} }}"


def refusal(server: Server, text: str) -> ServingError:
    with pytest.raises(ServingError) as refused:
        server.reload(text)
    return refused.value


def test_a_label_moves_between_loaded_versions(server: Server) -> None:
    server.reload(label(1))
    server.settle(1)
    assert server.version(version_label="stable") == 1
    server.reload(label(2))
    assert server.version(version_label="stable") == 2
    assert server.version() == 2


def test_without_the_flag_no_label_can_be_set_at_start(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    error = refusal(Server(tmp_path, allow=False), label(3))
    assert (error.code, error.message) == (Code.FAILED_PRECONDITION, NOT_AVAILABLE)


def test_without_the_flag_a_label_can_be_set_once_its_version_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    server = Server(tmp_path, allow=False)
    server.reload(f"model_config_list {{ config {{ MODEL {ALL} }} }}")
    server.reload(label(3))
    assert server.version(version_label="stable") == 3


def test_a_new_label_may_point_ahead_and_is_not_found_until_its_version_is_there(server: Server) -> None:
    server.reload(label(3))
    with pytest.raises(ServingError) as refused:
        server.version(version_label="stable")
    assert str(refused.value) == "NOT_FOUND: Servable not found for request: Specific(m, 3)"
    server.add(3)
    assert server.version(version_label="stable") == 3


def test_a_label_that_moves_to_what_is_not_loaded_is_refused_with_its_whole_file(server: Server) -> None:
    server.reload(label(1))
    server.settle(1)
    moved = label(3).replace("version_labels", "version_labels { key: 'canary' value: 2 } version_labels", 1)
    for _ in range(2):
        error = refusal(server, moved)
        assert (error.code, error.message) == (Code.FAILED_PRECONDITION, NOT_AVAILABLE)
    assert server.version(version_label="stable") == 1
    with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
        server.version(version_label="canary")
    server.add(3)
    server.reload(moved)
    assert (server.version(version_label="stable"), server.version(version_label="canary")) == (3, 2)


def test_policy_specific_and_its_label_never_change_in_one_step(server: Server) -> None:
    server.reload(label(1, "model_version_policy { specific { versions: 1 } }"))
    server.settle(1)
    both = label(2, "model_version_policy { specific { versions: 2 } }")
    for _ in range(3):
        assert refusal(server, both).code is Code.FAILED_PRECONDITION
        server.watcher.look()
    assert server.version() == 1


def test_an_empty_list_unloads_everything(server: Server) -> None:
    server.reload(label(2))
    server.reload("model_config_list {}")
    server.settle(2, served=False)
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
        server.version()
    server.reload(label(2))
    assert server.version() == 2


def test_an_empty_file_is_no_successor_of_a_list(server: Server) -> None:
    server.reload("")
    server.reload(label(1))
    error = refusal(server, "")
    assert error.code is Code.FAILED_PRECONDITION
    assert error.message.startswith("Cannot transition to requested config.")
    assert server.version() == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config { name: 'm' base_path: 'models/m' model_platform: 'tensorflow' }",
         "Expected model m to have an absolute path or URI; got base_path()=models/m"),
        ("config { name: 'm' model_platform: 'tensorflow' }",
         "Expected model m to have an absolute path or URI; got base_path()="),
        ("config { name: 'm' base_path: 's3://models/m' model_platform: 'tensorflow' }", "local folders only"),
        ("config { MODEL } config { MODEL }", "Illegal to list model m multiple times in config list"),
        ("config { name: 'm' base_path: '/m' }", "Illegal setting neither"),
        ("config { MODEL model_type: TENSORFLOW }", "Illegal setting both"),
        ("config { name: 'm' base_path: '/m' model_platform: 'pmml' }", "Model m requests unsupported platform pmml"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_served_is_refused(server: Server, text: str, message: str) -> None:
    error = refusal(server, f"model_config_list {{ {text} }}")
    assert error.code is Code.INVALID_ARGUMENT
    assert message in error.message


def test_the_deprecated_model_type_is_still_taken(server: Server) -> None:
    server.reload(f"model_config_list {{ config {{ name: 'm' base_path: '{server.store}' model_type: TENSORFLOW }} }}")
    assert server.version() == 2


def test_a_custom_configuration_is_refused(server: Server) -> None:
    config = model_server_config_pb2.ModelServerConfig()
    config.custom_model_config.SetInParent()
    with pytest.raises(ServingError, match="custom model config"):
        server.core.reload(config)
