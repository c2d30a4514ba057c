"""The folder through which workers share their figures: prometheus_client maps a file for each worker and kind."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Self

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only folders of mkdtemp lie there
PREFIX = "gateway-metrics-"
KINDS = ("counter", "gauge", "histogram", "summary")
"""How prometheus_client begins the names of its files."""
_HELD = ".in-use"


class MetricsDir:
    """`path`, or without a path a new folder that goes with its gateway.

    A new one lies in shared memory if there is any: on a full disk, a worker that writes to a page without room there
    is killed. It is locked for as long as a process of the gateway lives, and what killed gateways left is deleted.
    """

    def __init__(self, path: Path, held: int | None = None) -> None:
        """`held` is the number of the open file that locks a new folder."""
        self.path = path
        self._new = held is not None
        if held is not None:
            weakref.finalize(self, os.close, held)

    @classmethod
    def of(cls, path: Path | None) -> Self:
        """The folder of the setting, or a new one."""
        if path is not None:
            return cls(path)
        above = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
        for left in above.glob(f"{PREFIX}*"):
            _delete_unless_held(left)
        new = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
        held, name = tempfile.mkstemp(dir=new)
        fcntl.flock(held, fcntl.LOCK_EX)
        Path(name).rename(new / _HELD)  # locked before anybody else can find it
        return cls(new, held)

    def empty(self) -> None:
        """Delete the figures of earlier runs. Raises FileExistsError for a database of somebody else."""
        self.path.mkdir(parents=True, exist_ok=True)
        for file in self.path.glob("*.db"):
            if not file.name.startswith(KINDS):
                raise FileExistsError(f"{self.path} has a file that is not ours ({file.name})")
        for file in self.path.glob("*.db"):
            file.unlink(missing_ok=True)

    def leave(self) -> None:
        """Delete a new folder; one of the setting stays."""
        if self._new:
            shutil.rmtree(self.path, ignore_errors=True)


def _delete_unless_held(folder: Path) -> None:
    try:
        with (folder / _HELD).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # it is held, of another user, or deleted by another gateway
        return
