"""Publishes to a bucket, and dies by SIGKILL before the nth thing that it writes: run by test_leftovers.py."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.open import open_store
from speech_emotion.store.publish import publish


def main(url: str, source: Path, fatal: int) -> None:
    store = open_store(url)
    assert isinstance(store, BucketStore)
    writes = 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*args, **named)

        return call

    for name in ("pipe_file", "put_file"):
        setattr(store.files, name, counted(getattr(store.files, name)))
    publish(store, "speech_emotion", source)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
