"""How many CPUs this process may use: its affinity, and the quota of its container.

Python and TensorFlow count the machine's. joblib's `cpu_count` knows quotas, but imports numpy, whose BLAS reads its
number of threads when it is imported; and it looks at the root of the cgroups alone.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

THREAD_VARIABLES: Final = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
"""What BLAS and TensorFlow read when they start."""


def cpu_count(root: Path = Path("/")) -> int:
    """CPUs of this process's affinity, or fewer if a cgroup of its has a quota. A part of a CPU counts as one."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([available, *map(math.ceil, _quotas(root))]))


def limit_threads() -> None:
    """Let BLAS and TensorFlow start as many threads as there are CPUs, unless the environment says how many.

    Call it before numpy and TensorFlow are imported; processes that are started later inherit it.
    """
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, str(cpu_count()))


def _quotas(root: Path) -> list[float]:
    """The CPUs of every quota from the process's cgroup up to the root, of cgroups v2 and v1."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            mount, read = root / "sys/fs/cgroup" / controllers, _quota_v1
            mount = mount if mount.is_dir() else root / "sys/fs/cgroup/cpu"
        else:
            continue
        own = mount / path.strip("/")
        # A container sees its own cgroup as the root, whatever the path says.
        for folder in {mount, own, *(each for each in own.parents if each.is_relative_to(mount))}:
            if quota := read(folder):
                found.append(quota)
    return found


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
