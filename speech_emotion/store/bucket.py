"""A model store in a bucket (`s3://`, `gs://`, any fsspec URL), which cannot rename: the manifest makes a version.

S3 swaps `models.config` by its own conditional write. Elsewhere a lock object, created exclusively, keeps comparing
and swapping together; a publisher that dies within those moments leaves it, and the error says what to delete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speech_emotion.errors import StoreError
from speech_emotion.protos import model_server_config_pb2
from speech_emotion.store.base import CLAIMS, CONFIG, GRAPHS, QUARANTINE, Store, StoreConfig
from speech_emotion.store.contention import until_undisturbed
from speech_emotion.store.errors import ConflictError, DamagedVersionError, NoSuchVersionError
from speech_emotion.store.leftovers import abort_uploads, is_older
from speech_emotion.store.manifest import NAME as MANIFEST
from speech_emotion.store.manifest import Manifest
from speech_emotion.store.names import checked_name, is_name, numbered
from speech_emotion.store.objects import S3_CONFIG, another_was_faster, errors, tag

LOCK = f".{CONFIG}.lock"
LOCK_WAIT_S = 10.0
"""Seconds for which one process may hold the lock; it needs less than one, unless it died."""


class BucketStore(Store):
    """Versions appear by their manifest, written last, and go by it, deleted first."""

    def __init__(self, url: str, **options: Any) -> None:
        """`options` go to the file system of fsspec (endpoint, credentials); its own environment applies besides."""
        import fsspec

        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it raises what it logs
        # No listing may come from memory: others publish too. Nor may a file system: credentials are read again.
        own: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if url.startswith("s3://"):
            own["config_kwargs"] = S3_CONFIG
        self.files, self.root = fsspec.core.url_to_fs(url, **{**own, **options})
        self.root = self.root.rstrip("/")
        self.location = url
        self._conditional = url.startswith("s3://")

    def read_config(self) -> StoreConfig:
        """See Store."""
        with errors(self.location):
            return until_undisturbed(self._read_config, f"{self.location}/{CONFIG}")

    def _read_config(self) -> StoreConfig | None:
        """The configuration; none: it changed while it was read, so that the token may be of another text."""
        token = self._etag(CONFIG)
        if token is None:
            return StoreConfig(model_server_config_pb2.ModelServerConfig())
        try:
            text = self.files.cat_file(self._path(CONFIG)).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{CONFIG} cannot be read: {error}") from error
        return StoreConfig.parse(text, token) if self._etag(CONFIG) == token else None

    def swap_config(self, config: StoreConfig) -> None:
        """See Store."""
        data = config.render().encode()
        with errors(self.location):
            if config.token is None:
                if not self._create(CONFIG, data):
                    raise ConflictError(f"{self.location}/{CONFIG} was created by another process")
            elif self._conditional:
                self._swap(data, config.token)
            else:
                with self._lock():
                    if self._etag(CONFIG) != config.token:
                        raise ConflictError(f"{self.location}/{CONFIG} was changed by another process")
                    self.files.pipe_file(self._path(CONFIG), data)

    def fingerprint(self) -> str | None:
        """See Store; one listing, as every version has a manifest."""
        with errors(self.location):
            try:
                found = self.files.find(self.root, detail=True)
            except FileNotFoundError as error:
                raise StoreError(f"{self.location}: {error}") from error
        wanted = ((path, info) for path, info in found.items() if path.rsplit("/", 1)[-1] in (CONFIG, MANIFEST))
        lines = sorted(f"{path} {info.get('size')} {tag(info) or info.get('created')}" for path, info in wanted)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def models(self) -> list[str]:
        """See Store."""
        return [name for name in self._names("") if is_name(name) and self.numbers(name)]

    def held(self, name: str) -> list[int]:
        """See Store; without its manifest a version is still on its way in, or was set aside."""
        return sorted(number for number in self._numbered(_of(name)) if self._etag(_of(name, number, MANIFEST)))

    def versions(self, name: str) -> list[int]:
        """See Store."""
        files = {number: set(self._names(_of(name, number))) for number in self._numbered(_of(name))}
        return sorted(n for n, found in files.items() if MANIFEST in found and not found.isdisjoint(GRAPHS))

    def numbers(self, name: str) -> set[int]:
        """See Store."""
        return self._numbered(_of(name)) | self._numbered(_of(name, CLAIMS)) | self._numbered(_of(name, QUARANTINE))

    def claim(self, name: str, number: int) -> bool:
        """See Store."""
        with errors(self.location):
            return self._create(_of(name, CLAIMS, number), b"claimed\n")

    def put(self, name: str, number: int, source: Path, manifest: Manifest) -> None:
        """See Store."""
        with errors(self.location):
            for path in manifest.files:
                self.files.put_file(str(source / path), self._path(_of(name, number, path)))
            self.files.pipe_file(self._path(_of(name, number, MANIFEST)), manifest.to_json().encode())

    def read(self, name: str, number: int, path: str) -> bytes | None:
        """See Store."""
        with errors(self.location):
            try:
                return bytes(self.files.cat_file(self._path(_of(name, number, path))))
            except FileNotFoundError:
                return None

    def fetch(self, name: str, number: int, target: Path) -> Path:
        """See Store."""
        self.require_held(name, number)
        manifest = self.manifest(name, number)
        if manifest is None:
            raise NoSuchVersionError(f"{self.location}: version {number} of {name} was removed while it was fetched")
        with errors(self.location):
            for path in manifest.files:
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                try:
                    self.files.get_file(self._path(_of(name, number, path)), str(target / path))
                except FileNotFoundError:
                    self.require_held(name, number)  # it may have been deleted meanwhile
                    message = f"{self.location}: version {number} of {name} lacks the file {path} of its manifest"
                    raise DamagedVersionError(message) from None
        (target / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        manifest.check(target)
        self.require(name, number)
        return target

    def set_aside(self, name: str, number: int, reason: str) -> None:
        """See Store; the files stay under the version's number, without a manifest they are no version."""
        note = json.dumps({"version": number, "reason": reason}) + "\n"
        with errors(self.location), contextlib.suppress(FileNotFoundError):
            self.files.pipe_file(self._path(_of(name, QUARANTINE, number)), note.encode())
            self.files.rm_file(self._path(_of(name, number, MANIFEST)))

    def delete(self, name: str, number: int) -> None:
        """See Store."""
        self.require_held(name, number)
        with errors(self.location):
            self.files.rm_file(self._path(_of(name, number, MANIFEST)))
            self.files.rm(self._path(_of(name, number)), recursive=True)

    def sweep(self, name: str, older_than_s: float) -> int:
        """See Store: files without a manifest, uploads in parts, a lock. Claims stay: a number is never given twice.

        What was set aside stays too.
        """
        with errors(self.location):
            swept = 0
            aside = self._numbered(_of(name, QUARANTINE))
            for number in self._numbered(_of(name)) - set(self.held(name)) - aside:
                folder = self._path(_of(name, number))
                # Its publisher may have come to an end just now.
                if is_older(self.files, folder, older_than_s) and self._etag(_of(name, number, MANIFEST)) is None:
                    self.files.rm(folder, recursive=True)
                    swept += 1
            if self._conditional:
                swept += abort_uploads(self.files, self._path(_of(name)), older_than_s)
            elif is_older(self.files, self._path(LOCK), older_than_s):
                self.files.rm_file(self._path(LOCK))
                swept += 1
        return swept

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else str(self.root)

    def _names(self, name: str) -> list[str]:
        with errors(self.location):
            try:
                return sorted(
                    path.rstrip("/").rsplit("/", 1)[-1] for path in self.files.ls(self._path(name), detail=False)
                )
            except FileNotFoundError:
                return []

    def _numbered(self, name: str) -> set[int]:
        return numbered(self._names(name))

    def _etag(self, name: str) -> str | None:
        """What changes with an object's content; none: there is no such object."""
        try:
            info = self.files.info(self._path(name))
        except FileNotFoundError:
            return None
        return tag(info) or hashlib.sha256(self.files.cat_file(self._path(name))).hexdigest()

    def _content(self, name: str) -> bytes:
        """Of a small object; empty where there is none."""
        try:
            return bytes(self.files.cat_file(self._path(name)))
        except FileNotFoundError:
            return b""

    def _create(self, name: str, data: bytes) -> bool:
        """Write an object that must not be there; false if it is."""
        try:
            self.files.pipe_file(self._path(name), data, mode="create")
        except OSError as error:
            if not another_was_faster(error) and self._etag(name) is None:
                raise
            return False
        return True

    def _swap(self, data: bytes, token: str) -> None:
        try:
            self.files.pipe_file(self._path(CONFIG), data, IfMatch=token)
        except OSError as error:
            if not another_was_faster(error) and self._etag(CONFIG) == token:
                raise
            raise ConflictError(f"{self.location}/{CONFIG} was changed by another process") from error

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        own = f"{uuid.uuid4().hex}\n".encode()
        holder, since = b"", 0.0

        def attempt() -> bool | None:
            nonlocal holder, since
            if self._create(LOCK, own):
                return True
            found = self._content(LOCK)
            if found != holder:
                holder, since = found, time.monotonic()
            elif found and time.monotonic() - since > LOCK_WAIT_S:
                raise StoreError(
                    f"{self.location}/{LOCK} is held by one process for {LOCK_WAIT_S:g} seconds: delete it if that "
                    "process has ended"
                )
            return None

        until_undisturbed(attempt, f"{self.location}/{LOCK}")
        try:
            yield
        finally:
            self.files.rm_file(self._path(LOCK))


def _of(name: str, *parts: str | int) -> str:
    """A name below the store's root: of a model, or of something that belongs to it."""
    return "/".join((checked_name(name), *map(str, parts)))
