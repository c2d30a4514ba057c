"""Where the time of a loaded worker and of a model goes: `python -m benchmarks profile`.

py-spy reads another process's memory, which needs root, or `kernel.yama.ptrace_scope` of 0. It is in an environment of
its own (benchmarks/peers/py_spy), and samples only threads that run.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import operations, uploads
from benchmarks.load import Plan, loader
from benchmarks.peers.environments import binaries
from benchmarks.processes import cpu_s_of, members
from benchmarks.results import Row, Section
from benchmarks.services import ours, running
from benchmarks.suite import Options

SECONDS, RATE, CLIENTS = 10.0, 200, 4
SHOWN = 0.01
"""Smallest share of the samples that has a row of its own."""
FRAME = re.compile(r"^(?P<function>.+) \((?P<path>[^()]+?)(?::\d+)?\)$")
WAITS = re.compile(r"Condition\.wait \(threading|\.select \(selectors|^_worker \(concurrent|\._blocking \(grpc")
"""Innermost frames of threads that wait: for a lock, a socket, work, or the model server."""
PARTS = ("speech_emotion/", "preprocess_gateway/")


def measure(options: Options) -> list[Section]:
    """Of a gateway's worker, this project's code that ran and the library within it; of models, their operations."""
    workers = [_profiled(model, SECONDS * options.effort) for model in ("ann", "large")]
    return [*workers, *(operations.measure(model, options.effort) for model in ("edge", "large"))]


def _profiled(model: str, seconds: float) -> Section:
    service = ours()[-1]
    with uploads.clips() as clips, loader() as run, running(service, model, Path(clips[0]).read_bytes()) as started:
        plan = Plan([started.port], service.form.path, service.form.body, clips, CLIENTS, seconds + 2)
        with tempfile.TemporaryDirectory() as folder:
            stacks = Path(folder) / "stacks"
            before = {pid: cpu_s_of(pid) for pid in members("gateway")}
            run(replace(plan, seconds=1.0))
            worker = max(before, key=lambda pid: cpu_s_of(pid) - before[pid])  # their parent has imported for all
            command = [binaries("py_spy") / "py-spy", "record", "--pid", str(worker), "--format", "raw"]
            command += [
                "--nonblocking",
                "--rate",
                str(RATE),
                "--duration",
                str(round(seconds)),
                "--output",
                str(stacks),
            ]
            sampler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            run(plan)
            _, said = sampler.communicate(timeout=60)
            if sampler.returncode:
                raise RuntimeError(f"py-spy could not sample the worker: {said}")
            counted = places(stacks.read_text())
    about = (
        f"One worker of {service.name} with `{model}`, {CLIENTS} clients with forms, sampled {RATE} times a second for "
        f"{seconds:g} s. A sample counts for the innermost function of this project, and names the library that it "
        f"was in. Threads that wait are left out; places below {SHOWN:.0%} are summed up."
    )
    return Section(title=f"A worker with `{model}`", about=about, rows=_rows(counted))


def _rows(counted: Counter[tuple[str, str]]) -> list[Row]:
    total = counted.total()
    rows: list[Row] = [
        {"code": code, "library": library, "share": f"{count / total:.1%}"}
        for (code, library), count in counted.most_common()
        if count >= SHOWN * total
    ]
    rest = sum(count for count in counted.values() if count < SHOWN * total)
    return [*rows, {"code": "everything else", "library": "", "share": f"{rest / total:.1%}"}]


def places(stacks: str) -> Counter[tuple[str, str]]:
    """Samples of each pair of this project's innermost function and the library within it, without those that wait.

    `stacks` is py-spy's `raw` format: a line a stack, frames from the outermost on, separated by `;`, then its count.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not WAITS.search(frames[-1]):
            counted[_place(frames)] += int(count)
    return counted


def _place(frames: list[str]) -> tuple[str, str]:
    libraries = []
    for function, path in reversed(list(_parsed(frames))):
        if part := next((part for part in PARTS if part in path and "site-packages" not in path), None):
            return f"{part}{path.rpartition(part)[2]}: {function}", libraries[-1] if libraries else ""
        libraries.append(_library(path))
    return "no code of this project", libraries[0] if libraries else ""


def _parsed(frames: list[str]) -> Iterator[tuple[str, str]]:
    for frame in frames:
        if found := FRAME.match(frame):
            yield found["function"], found["path"]


def _library(path: str) -> str:
    """The top package of a library's file; py-spy shortens paths to what follows site-packages."""
    tail = path.rpartition("site-packages/")[2]
    return tail.split("/")[0].removesuffix(".py")
