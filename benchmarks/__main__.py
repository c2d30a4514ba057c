"""`python -m benchmarks [NAME ...]`: run all benchmarks or those named, and keep the results.

The file is benchmarks/results/<date>-<revision>.json; benchmarks that it has and that are not run again stay in it.
`python -m benchmarks.page` makes docs/performance.md from the newest file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.page import table
from benchmarks.processes import TAGS, end
from benchmarks.results import ROOT, Benchmark, Run
from benchmarks.suite import BENCHMARKS, Options


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the repetitions of a full run")
    parser.add_argument("--peers", default="", help="of the service benchmark, separated by spaces or commas")
    parser.add_argument("--models", default="", help="of the service benchmark, in the same way")
    parser.add_argument("--output", type=Path, help="file of the results")
    parser.add_argument("--child", nargs=2, metavar=("OPTIONS", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no benchmark has the name {', '.join(sorted(unknown))}")
    if given.child:
        return _child(given.names[0], *given.child)
    options = Options(given.effort, _names(given.peers), _names(given.models))
    failed = [name for name in given.names or BENCHMARKS if not _measured(name, options, given.output)]
    if failed:
        print(f"without results: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _names(given: str) -> tuple[str, ...]:
    return tuple(given.replace(",", " ").split())


def _measured(name: str, options: Options, output: Path | None) -> bool:
    """Run one benchmark in a process of its own; whether it ended well and its results were kept."""
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "benchmark.json"
        command = [sys.executable, "-m", "benchmarks", name, "--child", json.dumps(asdict(options)), str(found)]
        try:
            done = subprocess.run(command, cwd=ROOT, timeout=BENCHMARKS[name].timeout_s, check=False)
        except subprocess.TimeoutExpired:
            print(f"{name} was ended after {BENCHMARKS[name].timeout_s:g} s", file=sys.stderr, flush=True)
            return False
        finally:  # what a benchmark that was ended has left
            for tag in TAGS:
                end(tag)
        if done.returncode or not found.exists():
            return False
        benchmark = Benchmark.model_validate_json(found.read_text())
    run = Run.here()
    run.benchmarks[name] = benchmark
    path = output or run.path
    run.write(path)
    print(f"{name} took {benchmark.seconds:.0f} s; its results are in {path}\n", flush=True)
    return True


def _child(name: str, options: str, output: str) -> int:
    given = json.loads(options)
    begun, load = time.monotonic(), os.getloadavg()[0]
    sections = BENCHMARKS[name].load()(Options(given["effort"], tuple(given["peers"]), tuple(given["models"])))
    seconds = time.monotonic() - begun
    benchmark = Benchmark(seconds=seconds, load_average=(load, os.getloadavg()[0]), sections=sections)
    Path(output).write_text(benchmark.model_dump_json())
    for section in sections:
        print(f"\n{section.title}\n{table(section.rows)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
