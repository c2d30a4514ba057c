"""A model store on a folder: a local disk or a mounted volume."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from speech_emotion.errors import StoreError
from speech_emotion.protos import model_server_config_pb2
from speech_emotion.store.base import CLAIMS, CONFIG, GRAPHS, QUARANTINE, Store, StoreConfig
from speech_emotion.store.config import replace_text
from speech_emotion.store.errors import ConflictError, NoSuchVersionError
from speech_emotion.store.manifest import NAME as MANIFEST
from speech_emotion.store.manifest import Manifest
from speech_emotion.store.names import checked_name, is_name, numbered

INCOMING, OUTGOING = ".incoming-", ".outgoing-"


class FolderStore(Store):
    """Versions appear and go by a rename on the file system of the store, which must allow file locks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def read_config(self) -> StoreConfig:
        """See Store."""
        try:
            text = (self.root / CONFIG).read_text(encoding="utf-8")
        except FileNotFoundError:
            return StoreConfig(model_server_config_pb2.ModelServerConfig())
        except UnicodeDecodeError as error:
            raise StoreError(f"{CONFIG} cannot be read: {error}") from error
        return StoreConfig.parse(text, _token(text))

    def swap_config(self, config: StoreConfig) -> None:
        """See Store; a lock keeps comparing and swapping together, and goes with the process that holds it."""
        with _errors(self.location):
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / f".{CONFIG}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.read_config().token != config.token:
                    raise ConflictError(f"{self.root / CONFIG} was changed by another process")
                replace_text(self.root / CONFIG, config.render())

    def models(self) -> list[str]:
        """See Store."""
        return sorted(path.name for path in self.root.iterdir() if path.is_dir() and is_name(path.name))

    def held(self, name: str) -> list[int]:
        """See Store."""
        model = self._model(name)
        return sorted(number for number in _numbered(model) if (model / str(number)).is_dir())

    def versions(self, name: str) -> list[int]:
        """See Store."""
        model = self._model(name)
        return [n for n in self.held(name) if any((model / str(n) / graph).is_file() for graph in GRAPHS)]

    def numbers(self, name: str) -> set[int]:
        """See Store."""
        folders = (self._model(name), self._model(name) / CLAIMS, self._model(name) / QUARANTINE)
        return set().union(*map(_numbered, folders))

    def claim(self, name: str, number: int) -> bool:
        """See Store."""
        claims = self._model(name) / CLAIMS
        with _errors(self.location):
            claims.mkdir(parents=True, exist_ok=True)
            try:
                (claims / str(number)).touch(exist_ok=False)
            except FileExistsError:
                return False
        return True

    def put(self, name: str, number: int, source: Path, manifest: Manifest) -> None:
        """See Store. Raises StoreError on a full disk, leaving nothing behind."""

        def older_manifest(folder: str, _names: list[str]) -> list[str]:
            return [MANIFEST] if Path(folder) == source else []  # deeper down, it is a file like any other

        with self.incoming(name, number, manifest) as folder:
            shutil.copytree(source, folder, ignore=older_manifest, dirs_exist_ok=True)

    @contextlib.contextmanager
    def incoming(self, name: str, number: int, manifest: Manifest) -> Iterator[Path]:
        """An empty hidden folder, which becomes the version when the block ends, if it is what the manifest says.

        If not, or if the block raises, it is deleted. Raises DamagedVersionError, StoreError.
        """
        incoming = self._model(name) / f"{INCOMING}{number}-{uuid.uuid4().hex[:8]}"
        with _errors(self.location):
            try:
                incoming.mkdir(parents=True)
                yield incoming
                manifest.check(incoming)
                (incoming / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
                _readable_by_servers(incoming)
                _sync(incoming)
                incoming.rename(self._model(name) / str(number))
                _sync_one(self._model(name))
            except BaseException:
                shutil.rmtree(incoming, ignore_errors=True)
                raise

    def size(self) -> int:
        """Bytes of all files below the folder, leftovers too."""
        total = 0
        for path in self.root.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # it may be deleted meanwhile
                total += path.stat().st_size if path.is_file() else 0
        return total

    def read(self, name: str, number: int, path: str) -> bytes | None:
        """See Store."""
        try:
            return (self._model(name) / str(number) / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def fetch(self, name: str, number: int, target: Path) -> Path:  # noqa: ARG002 - it is local already
        """See Store."""
        folder = self._model(name) / str(number)
        if (manifest := self.manifest(name, number)) is not None:
            manifest.check(folder)
        self.require(name, number)
        return folder

    def set_aside(self, name: str, number: int, reason: str) -> None:
        """See Store."""
        target = self._model(name) / QUARANTINE
        with _errors(self.location):
            target.mkdir(exist_ok=True)
            (target / f"{number}.json").write_text(json.dumps({"version": number, "reason": reason}) + "\n")
            with contextlib.suppress(FileNotFoundError):  # quarantined before, and asked to do so again
                (self._model(name) / str(number)).rename(target / str(number))

    def delete(self, name: str, number: int) -> None:
        """See Store."""
        outgoing = self._model(name) / f"{OUTGOING}{number}-{uuid.uuid4().hex[:8]}"
        with _errors(self.location):
            try:
                (self._model(name) / str(number)).rename(outgoing)
            except FileNotFoundError:
                raise NoSuchVersionError(f"{self.location} has no version {number} of {name}") from None
            shutil.rmtree(outgoing)

    def sweep(self, name: str, older_than_s: float) -> int:
        """See Store."""
        swept = 0
        for path in self._model(name).glob(".*"):
            if path.name.startswith((INCOMING, OUTGOING)) and time.time() - path.stat().st_mtime > older_than_s:
                shutil.rmtree(path, ignore_errors=True)
                swept += 1
        return swept

    def _model(self, name: str) -> Path:
        return self.root / checked_name(name)


def _numbered(folder: Path) -> set[int]:
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return numbered(names)


def _token(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _readable_by_servers(folder: Path) -> None:
    # Servers run as other users than who publishes, whatever the publisher's umask.
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _sync(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync_one(path)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _errors(location: str) -> Iterator[None]:
    try:
        yield
    except shutil.Error as error:
        # copytree gathers (source, target, reason) of every file.
        raise StoreError(f"{location} cannot be written: {error.args[0][0][2]}") from error
    except OSError as error:
        raise StoreError(f"{location} cannot be written: {error.strerror or error}") from error
