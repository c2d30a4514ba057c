"""Results with what they were measured on, in a section of benchmarks/README.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parent / "README.md"
HEAD = "# Benchmarks\nRatios within one run; absolute times are those of the machine named.\n"


def write_section(title: str, command: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Replace the section `title` of the page by a table of `rows`, under machine, date and revision."""
    rows = list(rows)
    names = list(rows[0])
    table = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    table += [f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows]
    section = "\n".join([f"## {title}", f"{_circumstances()}; `{command}`", "", *table, ""])
    page = PAGE.read_text() if PAGE.exists() else HEAD
    kept = re.sub(rf"\n## {re.escape(title)}\n.*?(?=\n## |\Z)", "", page, flags=re.DOTALL).rstrip()
    PAGE.write_text(f"{kept}\n\n{section}")


def measure_loads(title: str, module: str, measure: Callable[[float], Iterable[Mapping[str, object]]]) -> None:
    """The command line of a benchmark: print each row of `measure(seconds of a load)`, then write the section."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each load")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    rows = []
    for each in measure(options.seconds):
        print(each, flush=True)
        rows.append(each)
    if not options.dry:
        write_section(title, f"python -m {module}", rows)


def _circumstances() -> str:
    git = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty"]
    revision = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown revision"
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[0]
    return (
        f"{date}, revision {revision}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, load average {load:.1f} at the end"
    )
