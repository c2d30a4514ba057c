"""Publishes, and dies by SIGKILL at the nth thing done to the file system: run by test_crash.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote
from speech_emotion.store.publish import publish

STEPS = {"open", "os.mkdir", "os.rename", "os.chmod", "os.remove", "os.fsync", "shutil.copytree"}


def main(root: Path, source: Path, fatal: int) -> None:
    steps = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        if event in STEPS and str(root) in " ".join(map(str, arguments)):
            steps += 1
            if steps == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    store = FolderStore(root)
    number = publish(store, "speech_emotion", source)
    promote(store, "speech_emotion", number)
    print(number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
