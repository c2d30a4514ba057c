"""CREMA-D and nEMO from their authors' repositories, each at one commit, every file checked by its digest.

Both are fetched file by file: a file that exists is not fetched again, so an interrupted download resumes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from training_pipeline.data.archives import unpacking
from training_pipeline.data.download import Progress, Remote, download, download_all
from training_pipeline.errors import DataError

CREMA_D = "CheyneyComputerScience/CREMA-D"
CREMA_D_COMMIT = "1658cd342dff90010aa843eaeebd53610a08b1dc"
CREMA_D_CLIPS = "387d831b6b63df157bef95de05ec61dbffc95da3"
"""Git's name of the tree AudioWAV, which holds a pointer to each recording: its SHA-256 and its size."""
CREMA_D_TABLES = {
    "VideoDemographics.csv": "94a2db22d3b359d3ad90d936640d4cff1ade5b91",
    "processedResults/tabulatedVotes.csv": "d7c352529eefc856cc99f1ddba6346faf54d2703",
    "LICENSE.txt": "941b7e9eb2ccbc86efb34d5d2f94a1e744d2e56a",
}
"""Actors' age and sex, listeners' votes, the licence: git's name of each file."""
NEMO = "amu-cai/nEMO"
NEMO_COMMIT = "66de9999a8f2f605eb5f64841790aa5cb0877782"
NEMO_TREE = "189389afd08dcd9a5b83a16d8408d7ecff1f87c8"
"""Git's name of all files of that commit."""

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>\d+)\n"
)


def nothing(_done: int, _total: int) -> None:
    """No progress is shown."""


def fetch_crema_d(
    folder: Path,
    *,
    archives: str = "https://codeload.github.com",
    media: str = "https://media.githubusercontent.com/media",
    commit: str = CREMA_D_COMMIT,
    clips: str = CREMA_D_CLIPS,
    tables: Mapping[str, str] = CREMA_D_TABLES,
    progress: Progress = nothing,
) -> Path:
    """Download CREMA-D (606 MB, 7,442 recordings) into `folder/crema-d`; returns that folder. Raises DataError.

    The repository's archive holds the tables and, for each recording, a pointer with its digest (git-lfs.com/spec).
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive, target = folder / f"CREMA-D-{commit[:12]}.zip", folder / "crema-d"
    if not archive.is_file():
        part = archive.with_suffix(".part")
        download(f"{archives}/{CREMA_D}/zip/{commit}", part)
        part.rename(archive)
    with unpacking(archive):
        files = _unzipped(archive, ("AudioWAV/", *tables))
    pointers = {name: data for name, data in files.items() if name not in tables}
    found = {name: blob_id(files.get(name, b"")) for name in tables}
    if (
        found != dict(tables)
        or tree_id({n.removeprefix("AudioWAV/"): blob_id(d) for n, d in pointers.items()}) != clips
    ):
        archive.unlink()
        raise DataError(f"{archive} is not what was published as {commit[:12]}; it was deleted, fetch it again")
    for name in tables:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(files[name])
    wanted = [_behind(name, pointer, f"{media}/{CREMA_D}/{commit}") for name, pointer in sorted(pointers.items())]
    download_all(wanted, target, progress)
    return target


def fetch_nemo(
    folder: Path,
    *,
    api: str = "https://api.github.com",
    raw: str = "https://raw.githubusercontent.com",
    commit: str = NEMO_COMMIT,
    tree: str = NEMO_TREE,
    progress: Progress = nothing,
) -> Path:
    """Download nEMO (532 MB, 4,481 recordings) into `folder/nemo`; returns that folder. Raises DataError."""
    target, listing = folder / "nemo", folder / f"nEMO-{commit[:12]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not listing.is_file():
        part = listing.with_suffix(".part")
        download(f"{api}/repos/{NEMO}/git/trees/{commit}?recursive=1", part)
        part.rename(listing)
    try:
        files = _listed(json.loads(listing.read_bytes()), tree)
    except (ValueError, KeyError, TypeError) as error:
        listing.unlink()
        raise DataError(f"{listing} does not list what was published as {commit[:12]}; fetch it again") from error
    wanted = [
        Remote(f"{raw}/{NEMO}/{commit}/{name}", name, size, blob, blob_id) for name, (blob, size) in files.items()
    ]
    download_all(wanted, target, progress)
    return target


def blob_id(data: bytes) -> str:
    """Git's name of a file's content, in hex."""
    return _object_id(b"blob", data)


def tree_id(entries: Mapping[str, str], folders: Iterable[str] = ()) -> str:
    """Git's name of a folder, of its entries' names and names in git; `folders` are those that are folders."""
    within = set(folders)
    order = sorted(entries, key=lambda name: f"{name}/" if name in within else name)
    lines = [
        f"{'40000' if name in within else '100644'} {name}\0".encode() + bytes.fromhex(entries[name]) for name in order
    ]
    return _object_id(b"tree", b"".join(lines))


def _object_id(kind: bytes, data: bytes) -> str:
    # Git's own digest; against accidents, and as strong as the repository that it names.
    return hashlib.sha1(kind + b" %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _listed(listing: dict[str, list[dict[str, object]]], tree: str) -> dict[str, tuple[str, int]]:
    """Git's name and size of every file.

    Raises ValueError unless the listing adds up to `tree`; KeyError and TypeError for what is no listing.
    """
    entries = {str(entry["path"]): entry for entry in listing["tree"]}

    def name_of(folder: str) -> str:
        inside = {path.removeprefix(folder): e for path, e in entries.items() if _parent(path) == folder}
        folders = [name for name, entry in inside.items() if entry["type"] == "tree"]
        names = {n: name_of(f"{folder}{n}/") if n in folders else str(e["sha"]) for n, e in inside.items()}
        return tree_id(names, folders)

    if name_of("") != tree:
        raise ValueError("another tree")
    return {p: (str(e["sha"]), int(str(e["size"]))) for p, e in entries.items() if e["type"] == "blob"}


def _parent(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _unzipped(archive: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Files by their paths below the archive's one folder, those that begin with a path of `wanted`."""
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as file:
        named = {name.partition("/")[2]: name for name in file.namelist() if not name.endswith("/")}
        return {name: file.read(own) for name, own in named.items() if name.startswith(wanted)}


def _behind(name: str, pointer: bytes, url: str) -> Remote:
    """The recording that a pointer stands for. Raises DataError for what is none."""
    found = _POINTER.fullmatch(pointer)
    if found is None:
        raise DataError(f"{name} is not a pointer of Git LFS")
    return Remote(f"{url}/{name}", name, int(found["size"]), found["oid"].decode(), _sha256)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
