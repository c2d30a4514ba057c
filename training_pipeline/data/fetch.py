"""RAVDESS from Zenodo: resumed where it broke off, verified, unpacked."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from training_pipeline.errors import DataError

URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1"
MD5 = "bc696df654c87fed845eb13823edef8a"
ATTEMPTS = 5
TIMEOUT_S = 60.0
_BLOCK = 1 << 20

Progress = Callable[[int, int], None]
"""(bytes there, bytes in all; 0: not known)."""


def fetch_ravdess(
    folder: Path, *, url: str = URL, md5: str = MD5, progress: Progress = lambda _done, _total: None
) -> Path:
    """Download the speech archive (208.5 MB) into `folder`, check it and unpack it; returns the unpacked folder.

    What is there already is not fetched again; a download that broke off goes on. Raises DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive, target = folder / "Audio_Speech_Actors_01-24.zip", folder / "ravdess"
    if target.is_dir():
        return target
    if not archive.is_file():
        part = archive.with_suffix(".part")
        _download(url, part, progress)
        found = _md5(part)
        if found != md5:
            part.unlink()
            raise DataError(f"{url}: MD5 {found} instead of {md5}; the file was deleted, fetch it anew")
        part.rename(archive)
    unpacked = folder / ".ravdess"
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(unpacked)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}") from error
    return unpacked.rename(target)


def _download(url: str, part: Path, progress: Progress) -> None:
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            return _go_on(url, part, progress)
        except urllib.error.HTTPError as error:
            raise DataError(f"{url}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            failure = error
    raise DataError(f"{url}: {failure}; run it again to go on from {part.stat().st_size if part.exists() else 0} bytes")


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
        with part.open("ab" if begun else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                progress(file.tell(), total)
        if total and part.stat().st_size < total:
            raise http.client.IncompleteRead(b"", total - part.stat().st_size)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # Zenodo's checksum; against accidents, not attackers.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
