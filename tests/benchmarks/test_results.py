from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks import page
from benchmarks.results import Benchmark, Goal, Plot, Run, Section, Spread, newest
from benchmarks.suite import BENCHMARKS

ROWS = [
    {"service": "ours", "clients": "4", "ms": Spread.of([3.0, 1.0, 2.0]), "errors": 0},
    {"service": "theirs", "clients": "4", "ms": Spread.of([4.0]), "errors": None},
]
SECTION = Section(
    title="Side by side",
    about="Two services.",
    rows=ROWS,
    goals=[Goal(name="how much faster", value=2.0, bound="at least", limit=3)],
    plot=Plot(group="service", bar="clients", value="ms"),
)


def run(measured: str = "2026-01-02 03:04 UTC", **sections: Section) -> Run:
    found = {name: Benchmark(seconds=1.0, load_average=(0.1, 0.2), sections=[each]) for name, each in sections.items()}
    return Run(measured=measured, revision="abc1234", machine={"cores": "2"}, versions={}, benchmarks=found)


def test_a_spread_is_the_median_and_the_range() -> None:
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(median=3.0, low=1.0, high=10.0)


@pytest.mark.parametrize(
    ("bound", "limit", "met"),
    [("at least", 2, True), ("at most", 2, True), ("below", 2, False), ("above", 2, False), ("above", 1.9, True)],
)
def test_a_goal_is_met_within_its_bound(bound: str, limit: float, met: bool) -> None:
    assert Goal.model_validate({"name": "x", "value": 2.0, "bound": bound, "limit": limit}).met is met


def test_a_figure_of_nothing_is_an_empty_cell_and_meets_no_goal(tmp_path: Path) -> None:
    nothing = float("nan")
    goal = Goal(name="x", value=nothing, bound="above", limit=0)
    rows = [{"ms": nothing, "spread": Spread.of([nothing]), "rate": 0.0}]
    run(service=Section(title="x", about="x.", rows=rows, goals=[goal])).write(tmp_path / "x.json")
    kept = Run.read(tmp_path / "x.json").benchmarks["service"].sections[0]
    assert page.table(kept.rows).endswith("|  |  | 0 |\n")
    assert not kept.goals[0].met


def test_a_later_part_of_a_run_leaves_the_other_benchmarks_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    run(features=SECTION).write(path)
    run(service=SECTION).write(path)
    kept = Run.read(path)
    assert set(kept.benchmarks) == {"features", "service"}
    assert kept.benchmarks["service"].sections == [SECTION]


def test_the_newest_results_are_those_measured_last(tmp_path: Path) -> None:
    run("2026-01-02 03:04 UTC").write(tmp_path / "b.json")
    run("2026-01-03 03:04 UTC").write(tmp_path / "a.json")
    assert newest(tmp_path) == tmp_path / "a.json"
    with pytest.raises(FileNotFoundError, match="make bench"):
        newest(tmp_path / "nothing")


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"measured": "today", "figures": []}))
    with pytest.raises(ValidationError):
        Run.read(tmp_path / "x.json")


def test_a_page_shows_the_marked_parts_and_keeps_what_is_written_around_them() -> None:
    written = (
        "Before.\n<!-- bench: service -->\nold\n<!-- end -->\nBetween.\n<!-- bench: scale -->\n<!-- end -->\nAfter.\n"
    )
    renewed = page.renew(written, run(service=SECTION))
    assert "old" not in renewed
    assert "| ours | 4 | 2 (1 to 3) | 0 |\n| theirs | 4 | 4 (4 to 4) |  |" in renewed
    assert "![Side by side](pictures/performance-service-1.png)" in renewed
    assert "had no benchmark `scale`" in renewed
    kept = ["Before.", "Between.", "After."]
    assert [line for line in renewed.splitlines() if line in kept] == kept
    assert page.renew(renewed, run(service=SECTION)) == renewed


def test_a_section_by_its_number_comes_without_its_title() -> None:
    assert page.part("service 1", run(service=SECTION)).startswith("Two services.\n\n| service |")


def test_a_goal_that_is_missed_is_shown_as_missed() -> None:
    assert "| service | how much faster | at least 3 | 2 | no |" in page.goals(run(service=SECTION))


def test_a_section_with_a_plot_is_drawn(tmp_path: Path) -> None:
    page.draw(run(service=SECTION).benchmarks["service"], "service", tmp_path)
    assert (tmp_path / "performance-service-1.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_a_place_for_every_benchmark() -> None:
    text = "".join(path.read_text() for path in page.PAGES)
    assert set(BENCHMARKS) <= {found["part"].split()[0] for found in page.MARKED.finditer(text)}


def test_an_unknown_benchmark_is_refused_by_name() -> None:
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    done = subprocess.run(command, cwd=page.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "no benchmark has the name nothing" in done.stderr
