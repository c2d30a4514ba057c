"""Corpora from their official homes: resumed where a download broke off, verified. RAVDESS comes from Zenodo."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training_pipeline.data import crema_d, nemo, ravdess
from training_pipeline.data.archives import unpacking
from training_pipeline.data.download import Progress, download
from training_pipeline.data.fetch_github import fetch_crema_d, fetch_nemo
from training_pipeline.errors import DataError

URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1"
MD5 = "bc696df654c87fed845eb13823edef8a"


def fetch_ravdess(
    folder: Path, *, url: str = URL, md5: str = MD5, progress: Progress = lambda _done, _total: None
) -> Path:
    """Download the speech archive (208.5 MB) into `folder`, check it and unpack it; returns the unpacked folder.

    A file that exists is not fetched again; an interrupted download resumes. Raises DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive, target = folder / "Audio_Speech_Actors_01-24.zip", folder / "ravdess"
    if target.is_dir():
        return target
    if not archive.is_file():
        part = archive.with_suffix(".part")
        download(url, part, progress)
        found = _md5(part)
        if found != md5:
            part.unlink()
            raise DataError(f"{url}: MD5 {found} instead of {md5}; the file was deleted, fetch it again")
        part.rename(archive)
    unpacked = folder / ".ravdess"
    with unpacking(archive), zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    return unpacked.rename(target)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # Zenodo's checksum; against accidents, not attackers.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@dataclass(frozen=True)
class Fetchable:
    """A corpus that can be fetched into a folder, with its licence and citation."""

    fetch: Callable[..., Path]
    licence: str
    citation: str


CORPORA = {
    "ravdess": Fetchable(fetch_ravdess, ravdess.LICENCE, ravdess.CITATION),
    "crema-d": Fetchable(fetch_crema_d, crema_d.LICENCE, crema_d.CITATION),
    "nemo": Fetchable(fetch_nemo, nemo.LICENCE, nemo.CITATION),
}
