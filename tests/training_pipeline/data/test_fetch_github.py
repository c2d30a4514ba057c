"""CREMA-D and nEMO from a local server that stands for GitHub."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.training_pipeline.data.test_fetch import damaged
from training_pipeline.data.fetch import CORPORA
from training_pipeline.data.fetch_github import CREMA_D, NEMO, blob_id, fetch_crema_d, fetch_nemo, tree_id
from training_pipeline.errors import DataError

COMMIT = "a" * 40
CLIPS = {f"100{n}_IEO_ANG_XX.wav": bytes([n]) * 500 for n in range(5)}
TABLES = {"VideoDemographics.csv": b"ActorID,Age,Sex\n", "processedResults/tabulatedVotes.csv": b"A\n"}


class Site:
    """Serves `files` by path; counts what was asked, and forgets what is in `absent`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.absent: set[str] = set()
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                data = None if self.path in site.absent else site.files.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def pointer(data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()


def serve_crema_d(site: Site, pointers: dict[str, bytes] | None = None) -> dict[str, object]:
    """The archive with pointers, and the recordings behind them; returns how to fetch it."""
    pointers = pointers or {name: pointer(data) for name, data in CLIPS.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**TABLES, **{f"AudioWAV/{n}": p for n, p in pointers.items()}, "README.md": b"?"}.items():
            archive.writestr(f"CREMA-D-{COMMIT}/{name}", data)
    site.files[f"/{CREMA_D}/zip/{COMMIT}"] = buffer.getvalue()
    site.files |= {f"/{CREMA_D}/{COMMIT}/AudioWAV/{name}": data for name, data in CLIPS.items()}
    return {
        "archives": site.url,
        "media": site.url,
        "commit": COMMIT,
        "clips": tree_id({name: blob_id(data) for name, data in pointers.items()}),
        "tables": {name: blob_id(data) for name, data in TABLES.items()},
    }


def serve_nemo(site: Site) -> dict[str, str]:
    """The listing of a commit, and its files; returns how to fetch it."""
    files = {"LICENSE": b"BY-NC-SA", "data.tsv": b"file_id\n"} | {f"samples/{n}": data for n, data in CLIPS.items()}
    samples = tree_id({name: blob_id(data) for name, data in CLIPS.items()})
    entries = [{"path": p, "type": "blob", "sha": blob_id(d), "size": len(d)} for p, d in files.items()]
    entries.append({"path": "samples", "type": "tree", "sha": samples})
    site.files[f"/repos/{NEMO}/git/trees/{COMMIT}?recursive=1"] = json.dumps({"tree": entries}).encode()
    site.files |= {f"/{NEMO}/{COMMIT}/{name}": data for name, data in files.items()}
    top = {name: blob_id(data) for name, data in files.items() if "/" not in name} | {"samples": samples}
    return {"api": site.url, "raw": site.url, "commit": COMMIT, "tree": tree_id(top, ["samples"])}


def test_git_names_files_and_folders_so() -> None:
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert tree_id({}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_crema_d_is_fetched_with_its_tables_and_each_recording_once(site: Site, tmp_path: Path) -> None:
    how, seen = serve_crema_d(site), []
    folder = fetch_crema_d(tmp_path, **how, progress=lambda done, total: seen.append((done, total)))  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in (folder / "AudioWAV").iterdir()} == CLIPS
    assert (folder / "processedResults" / "tabulatedVotes.csv").read_bytes() == b"A\n"
    assert (len(seen), seen[-1]) == (5, (2500, 2500))
    asked = len(site.asked)
    fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]
    assert len(site.asked) == asked


def test_a_fetch_that_broke_off_goes_on_with_what_is_missing(site: Site, tmp_path: Path) -> None:
    how = serve_crema_d(site)
    gone = f"/{CREMA_D}/{COMMIT}/AudioWAV/1004_IEO_ANG_XX.wav"
    site.absent = {gone}
    with pytest.raises(DataError, match=r"1004_IEO_ANG_XX\.wav: HTTP Error 404"):
        fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]
    kept = {path.name for path in (tmp_path / "crema-d" / "AudioWAV").glob("*.wav")}
    site.absent, site.asked = set(), []
    fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]
    assert {Path(path).name for path in site.asked} == CLIPS.keys() - kept


def test_another_recording_than_its_pointer_says_is_deleted(site: Site, tmp_path: Path) -> None:
    how = serve_crema_d(site)
    site.files[f"/{CREMA_D}/{COMMIT}/AudioWAV/1002_IEO_ANG_XX.wav"] = b"x" * 500
    with pytest.raises(DataError, match=r"1002_IEO_ANG_XX\.wav: the digest"):
        fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("1002*"))


def test_another_archive_than_the_known_one_is_deleted(site: Site, tmp_path: Path) -> None:
    how = serve_crema_d(site)
    serve_crema_d(site, {name: pointer(data + b"!") for name, data in CLIPS.items()})
    with pytest.raises(DataError, match="is not what was published as aaaaaaaaaaaa; it was deleted"):
        fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    site.files[f"/{CREMA_D}/zip/{COMMIT}"] = b"no archive"
    with pytest.raises(DataError, match="cannot be unpacked and was deleted"):
        fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]


def test_an_archive_that_is_damaged_inside_is_deleted(site: Site, tmp_path: Path) -> None:
    how = serve_crema_d(site)
    path = f"/{CREMA_D}/zip/{COMMIT}"
    sound = site.files[path]
    site.files[path] = damaged(sound)
    with pytest.raises(DataError, match="cannot be unpacked and was deleted, fetch it again"):
        fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]
    site.files[path] = sound
    assert fetch_crema_d(tmp_path, **how).is_dir()  # type: ignore[arg-type]


def test_what_is_no_pointer_is_told_so(site: Site, tmp_path: Path) -> None:
    how = serve_crema_d(site, {"1001_IEO_ANG_XX.wav": b"RIFF"})
    with pytest.raises(DataError, match="is not a pointer of Git LFS"):
        fetch_crema_d(tmp_path, **how)  # type: ignore[arg-type]


def test_nemo_is_fetched_file_by_file(site: Site, tmp_path: Path) -> None:
    how = serve_nemo(site)
    folder = fetch_nemo(tmp_path, **how)
    assert {path.name: path.read_bytes() for path in (folder / "samples").iterdir()} == CLIPS
    assert (folder / "data.tsv").read_bytes() == b"file_id\n"
    asked = len(site.asked)
    fetch_nemo(tmp_path, **how)
    assert len(site.asked) == asked
    (folder / "LICENSE").unlink()
    site.files[f"/{NEMO}/{COMMIT}/LICENSE"] = b"another"
    with pytest.raises(DataError, match="LICENSE: the digest"):
        fetch_nemo(tmp_path, **how)


@pytest.mark.parametrize("listing", [b"{}", b"no JSON", b"[]", b'{"tree": [{"path": "a"}]}', b'{"tree": []}'])
def test_a_listing_that_does_not_add_up_is_deleted(site: Site, tmp_path: Path, listing: bytes) -> None:
    how = serve_nemo(site)
    site.files[f"/repos/{NEMO}/git/trees/{COMMIT}?recursive=1"] = listing
    with pytest.raises(DataError, match="does not list what was published"):
        fetch_nemo(tmp_path, **how)
    assert list(tmp_path.iterdir()) == []


def test_every_corpus_says_its_licence_and_how_it_is_cited() -> None:
    assert sorted(CORPORA) == ["crema-d", "nemo", "ravdess"]
    assert all(corpus.licence and "20" in corpus.citation for corpus in CORPORA.values())
