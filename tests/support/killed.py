"""Run `ser`, and kill it as soon as a file is there: `python -m tests.support.killed PATTERN ARGUMENT ...`

The process does it itself: one that watches it from outside could come too late.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from fnmatch import fnmatch


def main(pattern: str, arguments: Sequence[str]) -> None:
    written: list[str] = []

    def watch(event: str, details: tuple[object, ...]) -> None:
        if event != "os.kill" and any(map(os.path.exists, written)):
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "os.rename" and fnmatch(str(details[1]), pattern):
            written.append(str(details[1]))

    sys.addaudithook(watch)
    from ser.main import app

    app(arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
