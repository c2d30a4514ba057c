"""Downloads that go on where they broke off: one large file, or many small ones that are checked one by one."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from training_pipeline.errors import DataError

PAUSES_S = (0.2, 1.0, 3.0, 10.0)
"""Before the second attempt, the third and so on."""
ATTEMPTS = 1 + len(PAUSES_S)
TIMEOUT_S = 60.0
AT_ONCE = 8
"""Small files that are fetched at a time."""
_BLOCK = 1 << 20

Progress = Callable[[int, int], None]
"""(bytes there, bytes in all; 0: not known)."""


@dataclass(frozen=True)
class Remote:
    """A small file: where it is, what it is called here, its size in bytes, and its digest as `digest` makes it."""

    url: str
    name: str
    size: int
    expected: str
    digest: Callable[[bytes], str]


def download_all(files: Iterable[Remote], folder: Path, progress: Progress = lambda _done, _total: None) -> None:
    """Download every file that is not in `folder` yet; each appears there once it has been checked.

    Raises DataError for one that cannot be had or is another; what was fetched stays, and the next call goes on.
    """
    wanted = list(files)
    total, done = sum(file.size for file in wanted), 0
    missing = [file for file in wanted if not (folder / file.name).is_file()]
    done = total - sum(file.size for file in missing)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = {pool.submit(_fetch, file, folder): file for file in missing}
        try:
            for future in as_completed(begun):
                future.result()
                done += begun[future].size
                progress(done, total)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _fetch(file: Remote, folder: Path) -> None:
    path = folder / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    download(file.url, part)
    found = file.digest(part.read_bytes())
    if found != file.expected:
        part.unlink()
        raise DataError(f"{file.url}: the digest {found} instead of {file.expected}; the file was deleted")
    part.rename(path)


def download(url: str, part: Path, progress: Progress = lambda _done, _total: None) -> None:
    """Download `url` to `part`, or what is missing of it. Raises DataError, which says how to go on."""
    failure: Exception | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSES_S[attempt - 1])
        try:
            return _go_on(url, part, progress)
        except urllib.error.HTTPError as error:
            failure = error
            if error.code < http.client.INTERNAL_SERVER_ERROR and error.code != http.client.TOO_MANY_REQUESTS:
                raise DataError(f"{url}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            failure = error
    raise DataError(f"{url}: {failure}; run it again to resume at {part.stat().st_size if part.exists() else 0} bytes")


def _go_on(url: str, part: Path, progress: Progress) -> None:
    begun = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there
        raise
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            begun = 0  # the server sends the whole file
        total = begun + int(answer.headers.get("Content-Length") or 0)
        with _open(part, "ab" if begun else "wb") as file:
            while block := answer.read(_BLOCK):
                _write(file, block, part)
                progress(file.tell(), total)
        if total and part.stat().st_size < total:
            raise http.client.IncompleteRead(b"", total - part.stat().st_size)


def _open(part: Path, mode: Literal["ab", "wb"]) -> BinaryIO:
    try:
        return part.open(mode, buffering=0)
    except OSError as error:
        raise DataError(f"{part}: {error.strerror}") from error


def _write(file: BinaryIO, block: bytes, part: Path) -> None:
    """Write all of a block. Raises DataError: the disk is at fault, and not the connection."""
    try:
        while block:
            block = block[file.write(block) :]
    except OSError as error:
        raise DataError(f"{part}: {error.strerror}; run it again to resume at {part.stat().st_size} bytes") from error
