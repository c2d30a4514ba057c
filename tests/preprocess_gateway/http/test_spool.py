"""Bodies of recordings: small ones in memory, others in files without a name, all of them bounded."""

from __future__ import annotations

import io
import logging
import os
import resource
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from flask import Flask, request

from preprocess_gateway import errors
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.http.uploads import Uploads
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import Settings

MIB = 1024 * 1024
APP = Flask(__name__)
FORM, FILE = "multipart/form-data; boundary=b", 'name="file"; filename="call.wav"'


def uploads_of(folder: Path, **settings: Any) -> Uploads:
    given = {"spool_dir": folder, "spool_bytes": 10_000, "max_recording_bytes": MIB, "max_spooled_bytes": 2 * MIB}
    chosen = Settings(**{**given, **settings})
    return Uploads(chosen, ReadDeadlines(chosen.read_timeout_s), Ledger())


@contextmanager
def received(
    uploads: Uploads,
    body: bytes | io.RawIOBase,
    size: int | None = None,
    content_type: str = "audio/wav",
    sock: socket.socket | None = None,
) -> Iterator[Any]:
    """The body of a request as the route gets it; a stream without `size` comes in chunks."""
    environ: dict[str, Any] = {"CONTENT_TYPE": content_type, "wsgi.input_terminated": True, "gunicorn.socket": sock}
    environ["wsgi.input"] = io.BytesIO(body) if isinstance(body, bytes) else body
    if isinstance(body, bytes):
        size = len(body)
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked"} if size is None else {"CONTENT_LENGTH": str(size)}
    with (
        APP.test_request_context("/", method="POST", environ_overrides=environ),
        uploads.read_recording(request) as recording,
    ):
        yield recording


def content(recording: bytes | BinaryIO) -> bytes:
    return recording if isinstance(recording, bytes) else recording.read()


def form(*parts: tuple[str, bytes]) -> bytes:
    """A body of `FORM`: each part's parameters and its content."""
    written = [
        b"--b\r\nContent-Disposition: form-data; " + named.encode() + b"\r\n\r\n" + part + b"\r\n"
        for named, part in parts
    ]
    return b"".join([*written, b"--b--\r\n"])


class Stream(io.RawIOBase):
    """So many bytes, made as they are read; `read_bytes` says how many were."""

    def __init__(self, size: int) -> None:
        self.size, self.read_bytes = size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.size - self.read_bytes)
        buffer[:count] = bytes(count)
        self.read_bytes += count
        return count


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_a_small_recording_stays_in_memory(tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    with received(uploads_of(tmp_path), body) as recording:
        assert recording == body


@pytest.mark.parametrize("size", [10_001, 300_000])
@pytest.mark.parametrize("as_form", [False, True])
def test_a_larger_one_is_a_file_without_a_name_that_cannot_be_written(tmp_path: Path, size: int, as_form: bool) -> None:
    body = os.urandom(size)
    uploads = uploads_of(tmp_path)
    sent, content_type = (form((FILE, body)), FORM) if as_form else (body, "audio/wav")
    with received(uploads, sent, content_type=content_type) as recording:
        assert list(tmp_path.iterdir()) == []
        assert content(recording) == body
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(recording.fileno(), b"x")  # type: ignore[union-attr]
        assert uploads._spool.used_bytes >= size
    assert recording.closed  # type: ignore[union-attr]
    assert uploads._spool.used_bytes == 0


def test_a_body_in_chunks_is_spooled_as_it_comes_and_bounded(tmp_path: Path) -> None:
    uploads = uploads_of(tmp_path)
    with received(uploads, Stream(500_000)) as recording:
        assert len(content(recording)) == 500_000
    with (
        pytest.raises(errors.BodyTooLargeError, match="more than 1048576 bytes"),
        received(uploads, Stream(2 * MIB)),
    ):
        pass
    assert uploads._spool.used_bytes == 0


def test_a_large_recording_takes_no_memory(tmp_path: Path) -> None:
    uploads = uploads_of(
        tmp_path,
        max_recording_bytes=64 * MIB,
        max_spooled_bytes=64 * MIB,
        max_held_bytes=200_000,
        max_body_bytes=100_000,
    )
    tracemalloc.start()
    try:
        with received(uploads, Stream(64 * MIB), size=64 * MIB) as recording:
            assert os.fstat(recording.fileno()).st_size == 64 * MIB
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_body_may_be_as_large_as_is_allowed(tmp_path: Path, declared: bool, more: int, taken: bool) -> None:
    uploads = uploads_of(tmp_path, max_recording_bytes=50_000)
    size = 50_000 + more
    try:
        with received(uploads, Stream(size), size if declared else None) as recording:
            assert len(content(recording)) == size
            assert taken
    except errors.BodyTooLargeError:
        assert not taken


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([(FILE, b"one"), (FILE, b"two")], errors.FormTooLargeError),
        ([('name="other"', b"text")], errors.MissingFileError),
        ([(FILE, bytes(2 * MIB))], errors.BodyTooLargeError),
    ],
)
def test_a_form_has_one_recording(
    tmp_path: Path, parts: list[tuple[str, bytes]], error: type[errors.GatewayError]
) -> None:
    uploads = uploads_of(tmp_path)
    with pytest.raises(error), received(uploads, form(*parts), content_type=FORM):
        pass
    assert uploads._spool.used_bytes == 0


def test_one_recording_more_than_there_are_places_is_refused_before_it_is_read(tmp_path: Path) -> None:
    uploads = uploads_of(tmp_path, max_recordings=2)
    one_more = Stream(50_000)
    with received(uploads, b"one"), received(uploads, b"two"):
        with pytest.raises(errors.OverloadedError) as caught, received(uploads, one_more, size=50_000):
            pass
        assert caught.value.reason == "recordings"
        assert one_more.read_bytes == 0
    with received(uploads, b"three") as recording:
        assert recording == b"three"


@pytest.mark.parametrize("content_type", ["audio/wav", FORM])
@pytest.mark.parametrize("size", [MIB + 1, 4_000_000_000])
def test_one_that_is_declared_too_large_is_refused_as_such_whatever_else_is_going_on(
    tmp_path: Path, content_type: str, size: int
) -> None:
    uploads = uploads_of(tmp_path, max_recordings=1)
    too_large = Stream(size)
    refused = pytest.raises(errors.BodyTooLargeError, match=f"more than {MIB} bytes")
    with refused, received(uploads, too_large, size, content_type):
        pass
    with received(uploads, b"one"), refused, received(uploads, too_large, size, content_type):
        pass
    assert too_large.read_bytes == 0
    assert uploads._spool.used_bytes == 0


def test_a_recording_for_which_there_is_no_room_is_refused_before_it_is_read(tmp_path: Path) -> None:
    uploads = uploads_of(tmp_path, max_spooled_bytes=MIB + 100_000)
    one_more = Stream(200_000)
    with received(uploads, bytes(MIB - 1000)):
        with (
            pytest.raises(errors.OverloadedError, match="no room") as caught,
            received(uploads, one_more, size=200_000),
        ):
            pass
        assert (caught.value.reason, one_more.read_bytes) == ("spool", 0)
        in_chunks = Stream(200_000)
        with pytest.raises(errors.OverloadedError, match="no room"), received(uploads, in_chunks):
            pass
        assert 0 < in_chunks.read_bytes <= 200_000
        with received(uploads, b"small") as small:
            assert small == b"small"
    assert uploads._spool.used_bytes == 0


def test_a_disk_that_is_full_is_no_defect_of_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uploads = uploads_of(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with (
            caplog.at_level(logging.ERROR),
            pytest.raises(errors.OverloadedError, match="the disk is full") as caught,
            received(uploads, os.urandom(300_000)),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.reason == "spool"
    assert [record.getMessage() for record in caplog.records] == [
        "the folder for recordings cannot take one: File too large"
    ]
    assert uploads._spool.used_bytes == 0
    with received(uploads, os.urandom(300_000)) as recording:
        assert len(content(recording)) == 300_000


def test_a_folder_that_went_away_is_told_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder := tmp_path / "away").mkdir()
    uploads = uploads_of(folder)
    folder.rmdir()
    refused = pytest.raises(errors.OverloadedError, match="its folder cannot be written to")
    with caplog.at_level(logging.ERROR), refused, received(uploads, bytes(20_000)):
        pass
    assert "No such file" in caplog.text
    with received(uploads, b"small") as recording:
        assert recording == b"small"


class Slow(Stream):
    """After its first bytes it waits until the reading of its socket is ended, and ends."""

    def __init__(self, ours: socket.socket) -> None:
        super().__init__(100_000)
        self._ours = ours

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        return count if count else len(self._ours.recv(1))


@pytest.mark.parametrize("min_rate", [1, 2**30])
def test_a_recording_that_comes_too_slowly_is_cut_off(tmp_path: Path, min_rate: int) -> None:
    """At a rate that is too low, or by a pause."""
    settings = Settings(spool_dir=tmp_path, read_timeout_s=0.2, min_recording_rate=min_rate)
    reading = ReadDeadlines(settings.read_timeout_s, interval_s=0.02)
    reading.start()
    ours, theirs = socket.socketpair()
    try:
        reading.begin(ours)
        uploads = Uploads(settings, reading, Ledger())
        with (
            pytest.raises(errors.RequestTimeoutError, match="sent too slowly: 100,000 bytes in"),
            received(uploads, Slow(ours), sock=ours),
        ):
            pass
    finally:
        reading.close()
        ours.close()
        theirs.close()


def test_the_time_to_send_grows_with_what_was_sent() -> None:
    ours, theirs = socket.socketpair()
    reading = ReadDeadlines(0.05, interval_s=0.01)
    with ours, theirs:
        reading.begin(ours)
        reading.extend(ours, float("inf"))
        reading.extend(theirs, 0.0)  # it has no deadline, and gets none
        reading.start()
        tick = threading.Event()
        tick.wait(0.2)
        assert not reading.end(ours)
        assert not reading.end(theirs)
        reading.extend(None, 0.0)
        reading.close()
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
