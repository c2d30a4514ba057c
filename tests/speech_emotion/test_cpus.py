from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

from speech_emotion.cpus import THREAD_VARIABLES, cpu_count

V2 = "0::{path}\n"
V1 = "3:cpuset:/\n2:{controllers}:{path}\n0::/\n"


def machine(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    """A folder with the files of a machine that are read."""
    for name, text in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{n}": t for n, t in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def sixteen_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)))


@pytest.mark.parametrize(
    ("cgroup", "files", "cpus"),
    [
        (V2.format(path="/"), {"cpu.max": "100000 100000"}, 1),
        (V2.format(path="/"), {"cpu.max": "150000 100000"}, 2),
        (V2.format(path="/"), {"cpu.max": "10000 100000"}, 1),
        (V2.format(path="/"), {"cpu.max": "3200000 100000"}, 16),
        (V2.format(path="/"), {"cpu.max": "max 100000"}, 16),
        (V2.format(path="/a.slice/b"), {"a.slice/cpu.max": "400000 100000", "a.slice/b/cpu.max": "max 100000"}, 4),
        (V2.format(path="/kubepods/x"), {"cpu.max": "200000 100000"}, 2),
        (V1.format(controllers="cpu,cpuacct", path="/kubepods/x"),
         {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 2),
        (V1.format(controllers="cpu", path="/"), {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        (V1.format(controllers="cpu", path="/x"),
         {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"}, 3),
        ("", {}, 16),
        (V2.format(path="/"), {"cpu.max": "nonsense"}, 16),
        (V2.format(path="/"), {"cpu.max": "100000 0"}, 16),
    ],
)  # fmt: skip
def test_a_quota_counts_in_every_form_of_cgroups(cgroup: str, files: dict[str, str], cpus: int, tmp_path: Path) -> None:
    assert cpu_count(machine(tmp_path, cgroup, files)) == cpus


def test_a_machine_without_cgroups_has_the_cpus_of_the_affinity(tmp_path: Path) -> None:
    assert cpu_count(tmp_path) == 16


def test_this_machine_has_as_many_cpus_as_joblib_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert cpu_count() == joblib.cpu_count()


def test_threads_are_limited_before_numpy_is_there_and_settings_of_their_own_stay() -> None:
    code = "import sys; from speech_emotion.cpus import limit_threads; limit_threads(); print('numpy' in sys.modules)"
    code += f"; import os; print(*(os.environ[name] for name in {THREAD_VARIABLES!r}))"
    environment = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES} | {"OMP_NUM_THREADS": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    imported, *threads = done.stdout.split()
    assert imported == "False"
    assert threads[0] == "7"
    assert len(set(threads[1:])) == 1
