from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from speech_emotion.store.base import Store
from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.folder import FolderStore
from tests.support.ports import free_port

S3 = {"key": "test", "secret": "test"}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server on loopback. It compares and writes in two steps, between which others may write: see to one."""
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    put_object, alone = S3Response.put_object, threading.Lock()

    def put_object_alone(request: S3Response) -> object:
        with alone:
            return put_object(request)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(S3Response, "put_object", put_object_alone)
        server.start()
        yield f"http://127.0.0.1:{port}"
        server.stop()


@pytest.fixture(params=["folder", "s3", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store on a folder, on S3, and in a bucket without conditional writes of its own."""
    if request.param == "folder":
        yield FolderStore(tmp_path / "store")
    elif request.param == "s3":
        yield s3_store(request.getfixturevalue("s3_endpoint"))
    else:
        yield BucketStore(f"memory://{uuid.uuid4().hex}/store")


def s3_store(endpoint: str) -> BucketStore:
    bucket = f"b{uuid.uuid4().hex}"
    opened = BucketStore(f"s3://{bucket}/store", **S3, client_kwargs={"endpoint_url": endpoint})
    opened.files.mkdir(bucket)
    return opened
