"""The tables and plots of docs/performance.md, from the newest results: `python -m benchmarks.page`, `make bench-page`.

A page has its results between `<!-- bench: PART -->` and `<!-- end -->`. A part is a benchmark's name, or a name and
the number of a section, which then comes without its title; `run` is what it was measured on, `goals` are all goals.
What a page says around them is written by hand.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.results import ROOT, Benchmark, Cell, Goal, Plot, Row, Run, Section, Spread, newest

PAGES = (ROOT / "docs" / "performance.md", ROOT / "docs" / "kubernetes.md")
PICTURES = ROOT / "docs" / "pictures"
MARKED = re.compile(r"(?P<begin><!-- bench: (?P<part>[\w ]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown; columns are the keys of the first."""
    if not rows:
        return "No results.\n"
    lines = [f"| {' | '.join(rows[0])} |", "|" + "---|" * len(rows[0])]
    lines += [f"| {' | '.join(text(row.get(name)) for name in rows[0])} |" for row in rows]
    return "\n".join(lines) + "\n"


def text(cell: Cell) -> str:
    """A cell with three significant digits."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case Spread():
            return f"{_number(cell.median)} ({_number(cell.low)} to {_number(cell.high)})"
        case int() | float():
            return _number(cell)
    return cell


def _number(value: float) -> str:
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def goals(run: Run) -> str:
    """A table of all goals."""
    found = [(name, goal) for name, each in run.benchmarks.items() for part in each.sections for goal in part.goals]
    return table([_goal(name, goal) for name, goal in found])


def _goal(benchmark: str, goal: Goal) -> Row:
    limit = f"{goal.bound} {_number(goal.limit)}"
    return {"benchmark": benchmark, "goal": goal.name, "limit": limit, "measured": goal.value, "met": goal.met}


def circumstances(run: Run) -> str:
    """Machine, versions and load average of a run, as a list."""
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    load = ", ".join(f"{name} {each.load_average[0]:.1f}" for name, each in run.benchmarks.items())
    took = ", ".join(f"{name} {each.seconds:.0f} s" for name, each in run.benchmarks.items())
    lines = [
        f"- Measured {run.measured}, revision {run.revision}.",
        f"- Machine: {machine}.",
        f"- Versions: {versions}.",
        f"- Load average of the machine when each benchmark began: {load}.",
        f"- How long each benchmark took: {took}.",
    ]
    return "\n".join(lines) + "\n"


def part(name: str, run: Run) -> str:
    """What belongs between the marks of this name; a benchmark that was not run is said to be missing."""
    match name:
        case "run":
            return circumstances(run)
        case "goals":
            return goals(run)
    name, _, wanted = name.partition(" ")
    benchmark = run.benchmarks.get(name)
    if benchmark is None:
        return f"The run of {run.measured} had no benchmark `{name}`.\n"
    if wanted:
        return _section(name, int(wanted), benchmark.sections[int(wanted) - 1])
    return "\n".join(
        f"### {section.title}\n{_section(name, number, section)}"
        for number, section in enumerate(benchmark.sections, 1)
    )


def _section(name: str, number: int, section: Section) -> str:
    plot = f"\n![{section.title}](pictures/{_picture(name, number)})\n" if section.plot else ""
    return f"{section.about}\n\n{table(section.rows)}{plot}"


def _picture(name: str, number: int) -> str:
    return f"performance-{name.replace('_', '-')}-{number}.png"


def draw(benchmark: Benchmark, name: str, folder: Path) -> None:
    """The plots of a benchmark's sections."""
    for number, section in enumerate(benchmark.sections, 1):
        if section.plot:
            _draw(section, section.plot, folder / _picture(name, number))


def _draw(section: Section, plot: Plot, path: Path) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # after the backend is chosen

    groups = list(dict.fromkeys(str(row[plot.group]) for row in section.rows))
    bars = list(dict.fromkeys(str(row[plot.bar]) for row in section.rows))
    figure, axes = plt.subplots(figsize=(8, 1 + 0.22 * len(section.rows)), layout="constrained")
    height = 0.8 / len(bars)
    for index, bar in enumerate(bars):
        rows = [row for row in section.rows if str(row[plot.bar]) == bar and row[plot.value] is not None]
        places = [groups.index(str(row[plot.group])) + height * index for row in rows]
        spreads = [_spread(row[plot.value]) for row in rows]
        middle = [each.median for each in spreads]
        reach = [[each.median - each.low for each in spreads], [each.high - each.median for each in spreads]]
        axes.barh(places, middle, height * 0.9, xerr=reach, label=bar, error_kw={"linewidth": 0.8})
    axes.set_yticks([number + 0.4 - height / 2 for number in range(len(groups))], groups)
    axes.invert_yaxis()
    axes.set_xlabel(plot.value)
    if len(bars) > 1:
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _spread(cell: Cell) -> Spread:
    return cell if isinstance(cell, Spread) else Spread.of([float(str(cell))])


def renew(page: str, run: Run) -> str:
    """The page with every marked part as this run has it."""
    return MARKED.sub(lambda found: f"{found['begin']}{part(found['part'], run)}{found['end']}", page)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--results", type=Path, help="default: the newest of benchmarks/results")
    parser.add_argument("--pages", type=Path, nargs="+", default=PAGES)
    parser.add_argument("--pictures", type=Path, default=PICTURES)
    options = parser.parse_args()
    run = Run.read(options.results or newest())
    for name, benchmark in run.benchmarks.items():
        draw(benchmark, name, options.pictures)
    for page in options.pages:
        page.write_text(renew(page.read_text(), run))
        print(f"{page} shows the run of {run.measured}, revision {run.revision}")


if __name__ == "__main__":
    main()
