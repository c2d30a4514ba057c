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
LONG_RECORDINGS = Path(__file__).parents[1] / "docs" / "measurements" / "long_recordings.md"
HEAD = "# Benchmarks\nRatios within one run; absolute times are those of the machine named.\n"


def write_section(title: str, command: str, rows: Iterable[Mapping[str, object]], page: Path = PAGE) -> None:
    """Replace the section `title` of a page by a table of `rows`, under machine, date and revision."""
    rows = list(rows)
    names = list(rows[0])
    table = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    table += [f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows]
    measured = f"{circumstances()}, load average {os.getloadavg()[0]:.1f} at the end; `{command}`"
    section = "\n".join([f"## {title}", measured, "", *table, ""])
    text = page.read_text() if page.exists() else HEAD
    kept = re.sub(rf"\n## {re.escape(title)}\n.*?(?=\n## |\Z)", "", text, flags=re.DOTALL).rstrip()
    page.write_text(f"{kept}\n\n{section}")


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


def circumstances() -> str:
    """Date, revision, cores and Python."""
    git = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty"]
    revision = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown revision"
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    cores, python = f"{os.cpu_count()} cores ({platform.machine()})", f"Python {platform.python_version()}"
    return f"{date}, revision {revision}, {cores}, {python}"


def processor() -> str:
    """Its name as Linux knows it, else its architecture."""
    known = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", known.read_text(), re.MULTILINE) if known.exists() else None
    return found[1] if found else platform.machine()
