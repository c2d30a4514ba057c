"""Watches the models' base paths, and the configuration file: what should be served right now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from model_server.errors import ServingError, invalid_argument, not_found
from speech_emotion.errors import StoreError
from speech_emotion.protos import model_server_config_pb2
from speech_emotion.store.config import read_config

_log = logging.getLogger(__name__)
_MAX_VERSION = 2**63 - 1


def versions_on_disk(base_path: Path) -> dict[int, Path]:
    """The version folders under `base_path`: those named by an integer. Raises OSError if it is not there."""
    versions = {}
    for child in sorted(base_path.iterdir()):
        if child.name.isascii() and child.name.isdigit() and int(child.name) <= _MAX_VERSION:
            versions[int(child.name)] = child
    return versions


def choose_versions(model: model_server_config_pb2.ModelConfig) -> dict[int, Path]:
    """The versions of `model` that its policy wants, of those on disk. The default is the newest one."""
    found = versions_on_disk(Path(model.base_path))
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        return {number: found[number] for number in policy.specific.versions if number in found}
    newest = sorted(found, reverse=True)[: max(1, policy.latest.num_versions)]
    return {number: found[number] for number in newest}


class BasePathWatcher:
    """Looks at the base paths every `poll_wait_s` seconds, and at once when the models change.

    0 looks once for each configuration; a negative number never looks, so nothing is ever loaded.
    """

    def __init__(self, want: Callable[[str, dict[int, Path]], None], poll_wait_s: int) -> None:
        self._want = want
        self._poll_wait_s = poll_wait_s
        self._models: Sequence[model_server_config_pb2.ModelConfig] = ()
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}
        if poll_wait_s > 0:
            threading.Thread(target=_repeat, args=(self.look, poll_wait_s), name="base-paths", daemon=True).start()

    def watch(self, models: Sequence[model_server_config_pb2.ModelConfig]) -> None:
        """Watch these models, and no others: the versions of a model that is gone are let go."""
        with self._lock:
            gone = {model.name for model in self._models} - {model.name for model in models}
            self._models = tuple(models)
            for name in gone:
                self._want(name, {})
        if self._poll_wait_s >= 0:
            self.look()

    def look(self) -> None:
        """Read the base paths once and pass on what should be served."""
        with self._lock:
            wanted: dict[str, dict[int, Path]] = {}
            for model in self._models:
                where = f"base path {model.base_path} for servable {model.name}"
                try:
                    wanted[model.name] = choose_versions(model)
                except OSError as error:
                    # As in the real server, a path that is away for a moment unloads nothing; nor does anything load.
                    self._say(model.name, f"Could not find {where}: {error.strerror}")
                    return
                self._say(model.name, "" if wanted[model.name] else f"No versions found under {where}")
            for name, versions in wanted.items():
                self._want(name, versions)

    def _say(self, name: str, message: str) -> None:
        if message and self._said.get(name) != message:
            _log.warning("%s", message)
        self._said[name] = message


class ConfigFileWatcher:
    """Reads the configuration file every `poll_wait_s` seconds and hands it on; 0: never.

    Each refusal is logged once: a file that stays bad is tried again at each poll.
    """

    def __init__(
        self, path: Path, reload: Callable[[model_server_config_pb2.ModelServerConfig], None], poll_wait_s: int
    ) -> None:
        self._path = path
        self._reload = reload
        self._refusal = ""
        if poll_wait_s > 0:
            threading.Thread(target=_repeat, args=(self.look, poll_wait_s), name="config-file", daemon=True).start()

    def look(self) -> None:
        """Read the file once; whatever is wrong with it, the old configuration stays."""
        what = "read ModelServerConfig file"
        try:
            config = read_model_config(self._path)
            what = "put the configuration in force"
            self._reload(config)
            self._refusal = ""
        except ServingError as error:
            if str(error) != self._refusal:
                _log.error("Failed to %s: %s (the old configuration stays)", what, error.message)
            self._refusal = str(error)


def read_model_config(path: Path) -> model_server_config_pb2.ModelServerConfig:
    """The configuration in the file `path`. Raises ServingError if there is none or it is not valid text."""
    try:
        return read_config(path)
    except FileNotFoundError as error:
        raise not_found(f"{path}; {error.strerror}") from error
    except OSError as error:
        raise invalid_argument(f"{path}; {error.strerror}") from error
    except StoreError as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}': {error}") from error


def _repeat(look: Callable[[], None], wait_s: float) -> None:
    pause = threading.Event()
    while not pause.wait(wait_s):
        try:
            look()
        except Exception:  # noqa: BLE001 - one bad look must not end the watching
            _log.exception("%s failed; next try in %s s", threading.current_thread().name, wait_s)
