from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training_pipeline.data import download
from training_pipeline.data.fetch import fetch_ravdess
from training_pipeline.errors import DataError


class Archive:
    """An HTTP server with one file, which hangs up after `break_after` bytes of each answer."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.break_after: int | None = None
        self.ranges: list[str | None] = []
        self.errors: list[int] = []
        """Statuses of the next answers."""
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                archive.ranges.append(wanted)
                if archive.errors:
                    self.send_error(archive.errors.pop(0))
                    return
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0  # type: ignore[index]
                if start >= len(archive.data):
                    self.send_error(416)
                    return
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(archive.data) - start))
                self.end_headers()
                stop = len(archive.data) if archive.break_after is None else start + archive.break_after
                self.wfile.write(archive.data[start:stop])

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/archive.zip"
        self.md5 = hashlib.md5(data).hexdigest()


def damaged(archive: bytes, at: int = 8, to: bytes = b"\x08") -> bytes:
    """A ZIP archive whose first file is said to be deflated, which it is not, in both of its headers."""
    changed, central = bytearray(archive), archive.index(b"PK\1\2")
    changed[at : at + 1] = changed[central + at + 2 : central + at + 3] = to
    return bytes(changed)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES_S", (0,) * len(download.PAUSES_S))


@pytest.fixture
def archive() -> Iterator[Archive]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr("Actor_01/03-01-01-01-01-01-01.wav", bytes(range(256)) * 400)
    served = Archive(buffer.getvalue())
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def test_an_archive_is_fetched_checked_and_unpacked_once(archive: Archive, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = fetch_ravdess(
        tmp_path, url=archive.url, md5=archive.md5, progress=lambda done, total: seen.append((done, total))
    )
    assert (folder / "Actor_01" / "03-01-01-01-01-01-01.wav").stat().st_size == 256 * 400
    assert seen[-1] == (len(archive.data), len(archive.data))
    fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5)
    assert archive.ranges == [None]


def test_a_download_that_breaks_off_goes_on(archive: Archive, tmp_path: Path) -> None:
    archive.break_after = len(archive.data) // 3
    fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5)
    third = archive.break_after
    assert archive.ranges[:3] == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_one_that_never_ends_says_how_far_it_came(archive: Archive, tmp_path: Path) -> None:
    archive.break_after = 10
    with pytest.raises(DataError, match="run it again to resume at 50 bytes"):
        fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5)
    archive.break_after = None
    assert fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5).is_dir()


def test_another_file_than_zenodos_is_deleted(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="MD5"):
        fetch_ravdess(tmp_path, url=archive.url, md5="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused"):
        fetch_ravdess(tmp_path, url="http://127.0.0.1:1/archive.zip")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_for_a_while_is_asked_again(archive: Archive, tmp_path: Path, status: int) -> None:
    archive.errors = [status] * 2
    assert fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5).is_dir()
    archive.errors = [status] * 5
    with pytest.raises(DataError, match=rf"HTTP Error {status}: .*; run it again to resume at 0 bytes"):
        fetch_ravdess(tmp_path / "other", url=archive.url, md5=archive.md5)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(archive: Archive, tmp_path: Path, status: int) -> None:
    archive.errors = [status]
    with pytest.raises(DataError, match=f"HTTP Error {status}"):
        fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5)
    assert archive.ranges == [None]


def test_a_full_disk_is_named_and_asked_for_nothing_more(archive: Archive, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"part: No space left on device; run it again to resume at 0 bytes"):
        download.download(archive.url, part)
    assert len(archive.ranges) == 1


def test_a_folder_that_takes_no_file_is_named(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"away/part: No such file or directory$"):
        download.download(archive.url, tmp_path / "away" / "part")


@pytest.mark.parametrize(
    ("at", "to"), [(8, b"\x08"), (8, b"\x63"), (6, b"\x01")], ids=["deflated", "unknown method", "encrypted"]
)
def test_a_damaged_archive_is_deleted_so_that_the_next_call_fetches_another(
    archive: Archive, tmp_path: Path, at: int, to: bytes
) -> None:
    kept = tmp_path / "Audio_Speech_Actors_01-24.zip"
    kept.write_bytes(damaged(archive.data, at, to))
    with pytest.raises(DataError, match=r"01-24\.zip cannot be unpacked and was deleted, fetch it again"):
        fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5)
    assert not kept.exists()
    assert fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5).is_dir()


def test_an_archive_stays_if_the_disk_fails(archive: Archive, tmp_path: Path) -> None:
    kept = tmp_path / "Audio_Speech_Actors_01-24.zip"
    kept.write_bytes(archive.data)
    (tmp_path / ".ravdess").touch()  # where a folder should be
    with pytest.raises(DataError, match=r"01-24\.zip cannot be unpacked: "):
        fetch_ravdess(tmp_path, url=archive.url, md5=archive.md5)
    assert kept.exists()
