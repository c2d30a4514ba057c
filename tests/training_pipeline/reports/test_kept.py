"""The predictions of the repository: their table, their pictures, the pages that show them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import matplotlib.image
import pytest
from typer.testing import CliRunner

from ser.main import app
from tests.training_pipeline.evaluation.test_cost import COST
from training_pipeline.errors import DataError
from training_pipeline.evaluation.cost import read_costs, write_costs
from training_pipeline.evaluation.predictions import measure_runs, write_predictions
from training_pipeline.reports import markdown
from training_pipeline.reports.kept import ACROSS, COSTS, PREDICTIONS, Kept

ROOT = Path(__file__).parents[3]
EVALUATION = ROOT / "models" / "evaluation"
PAGES = [page for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")) if markdown.MARKED.search(page.read_text())]


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept.read(EVALUATION)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The kept predictions of two models, and the cost of the first alone."""
    for name in ("ann", "mlp"):
        (tmp_path / name).mkdir()
        shutil.copy(EVALUATION / name / PREDICTIONS, tmp_path / name)
    costs = read_costs(EVALUATION / COSTS)
    write_costs(tmp_path / COSTS, costs.model_copy(update={"models": {"ann": COST}}))
    return tmp_path


def rows(table: str) -> dict[str, list[str]]:
    """Each row of a table by its first cell."""
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in cells}


def test_accuracy_and_cost_stand_in_one_row(folder: Path) -> None:
    table = Kept.read(folder).table()
    columns = rows(table)["model"]
    assert columns[-5:] == ["MB (loaded)", "parameters", "features, ms", "model, ms", "real-time factor"]
    assert rows(table)["`ann`"][-5:] == ["1.5 (1.23)", "235,000", "2.5 (2)", "4.5 (3)", "0.002"]
    assert rows(table)["`mlp`"][-5:] == ["not measured"] * 5
    assert "a clip of 3.5 s on one thread" in table


def test_without_costs_there_are_no_columns_of_them(folder: Path) -> None:
    (folder / COSTS).unlink()
    assert rows(Kept.read(folder).table())["model"][-3:] == [
        "ECE, debiased (95 % over speakers)", "not uncertain", "of them right",
    ]  # fmt: skip


def test_the_most_accurate_model_comes_first(kept: Kept) -> None:
    accuracies = [figures["accuracy"] for figures in kept.results.values()]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [*rows(kept.part("table"))][1:] == [f"`{name}`" for name in kept.results]


def test_json_has_the_cost_of_each_model_that_was_measured(folder: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--predictions", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["ann"]["cost"], shown["mlp"]["cost"]) == (COST.model_dump(), None)
    assert shown["mlp"]["accuracy"] == pytest.approx(0.385, abs=0.01)


def test_the_picture_has_every_model_with_a_cost(kept: Kept, tmp_path: Path) -> None:
    kept.draw(tmp_path)
    assert {path.name for path in tmp_path.glob("confusion-*")} == {f"confusion-{name}.png" for name in kept.results}
    with_all = matplotlib.image.imread(tmp_path / "accuracy-against-cost.png")
    assert kept.costs is not None
    one = kept.costs.model_copy(update={"models": {"ann": kept.costs.models["ann"]}})
    Kept(kept.runs, kept.results, one).draw(tmp_path)
    assert (with_all != matplotlib.image.imread(tmp_path / "accuracy-against-cost.png")).any()


def test_a_page_is_written_anew_between_its_marks(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "# Page\n\n<!-- ser evaluate: {} -->\nold\n<!-- end -->\n\nkept\n"
    page.write_text(text.format("table") + text.format("labels mlp"))
    (other := tmp_path / "other.md").write_text(text.format("steps mlp ann"))
    pages = ["--page", str(page), "--page", str(other)]
    done = CliRunner().invoke(app, ["evaluate", "--predictions", str(folder), *pages])
    assert done.exit_code == 0, done.output
    written = page.read_text()
    assert re.findall("^(?:old|kept|# Page)$", written, re.MULTILINE) == ["# Page", "kept"] * 2
    assert {"`ann`", "`mlp`", "disgust"} <= rows(written).keys()
    assert rows(other.read_text())["model"][-1].startswith("brings")
    page.write_text(text.format("labels nobody"))
    done = CliRunner().invoke(app, ["evaluate", "--predictions", str(folder), "--page", str(page)])
    assert (done.exit_code, "no part 'labels nobody'" in done.output) == (1, True)


def test_steps_show_what_each_brings(kept: Kept) -> None:
    shown = rows(kept.part("steps mlp ann whisper"))
    assert [*shown] == ["model", "`mlp`", "`ann`", "`whisper`"]
    assert shown["`mlp`"] == [f"{kept.results['mlp']['accuracy']:.1%}", "the start"]
    points, low, high = map(float, re.findall(r"[+-][\d.]+", shown["`whisper`"][1]))
    gained = kept.results["whisper"]["accuracy"] - kept.results["ann"]["accuracy"]
    assert points == pytest.approx(100 * gained, abs=0.06)
    assert low < points < high
    with pytest.raises(DataError, match="no part 'steps mlp'"):
        kept.part("steps mlp")


def test_the_short_table_says_what_was_not_measured(kept: Kept) -> None:
    assert kept.costs is not None
    one = kept.costs.model_copy(update={"models": {"ann": kept.costs.models["ann"]}})
    shown = rows(Kept(kept.runs, kept.results, one).part("short"))
    assert shown["`mlp`"][-2:] == ["not measured"] * 2
    assert [cell.split()[-1] for cell in shown["`ann`"][-2:]] == ["MB", "ms"]
    assert shown["`ann`"][0] == f"{kept.results['ann']['accuracy']:.1%}"


def test_a_step_can_be_the_mean_of_seeds(kept: Kept) -> None:
    shown = rows(kept.part("steps mlp mlp:mean"))
    assert float(shown["`mlp:mean`"][0].rstrip("%")) == pytest.approx(100 * kept.results["mlp"]["accuracy"], abs=5)
    assert shown["`mlp:mean`"] != shown["`mlp`"]


def test_seeds_stand_in_a_row_each_above_their_mean(folder: Path) -> None:
    kept = Kept.read(folder)
    write_predictions(folder / "mlp" / "uncalibrated" / PREDICTIONS, kept.runs["ann"][:1])
    kept = Kept.read(folder)
    lines = [line.strip("| ").split(" | ") for line in kept.part("seeds mlp mlp/uncalibrated").splitlines()]
    assert lines[0] == ["model", "seed", "accuracy", "UAR", "female", "male"]
    runs = [*kept.runs["mlp"], *kept.trials["mlp/uncalibrated"]]
    assert [line[:2] for line in lines[2:-1]] == [
        ["`mlp`", "0"],
        ["`mlp`", "1"],
        ["`mlp`", "2"],
        ["`mlp/uncalibrated`", "0"],
    ]
    accuracies = [measure_runs([run])["accuracy"] for run in runs]
    assert [line[2] for line in lines[2:]] == [f"{share:.1%}" for share in (*accuracies, sum(accuracies) / 4)]
    assert len(kept.part("seeds mlp/uncalibrated").splitlines()) == 3
    steps = rows(kept.part("steps mlp mlp/uncalibrated"))
    assert steps["`mlp/uncalibrated`"][0] == f"{accuracies[-1]:.1%}"
    with pytest.raises(DataError, match="no part 'seeds nobody'"):
        kept.part("seeds nobody")


def test_trials_are_compared_with_the_same_seeds_of_their_model_and_stand_in_no_table(folder: Path) -> None:
    kept = Kept.read(folder)
    write_predictions(trial := folder / "mlp" / "a-change" / PREDICTIONS, kept.runs["ann"][:1])
    with_trial = Kept.read(folder)
    shown = rows(with_trial.part("trials mlp"))
    assert [*shown] == ["model", "`mlp`", "`mlp/a-change`"]
    first = {model: measure_runs(kept.runs[model][:1])["accuracy"] for model in ("mlp", "ann")}
    assert [shown[name][0] for name in ("`mlp`", "`mlp/a-change`")] == [f"{share:.1%}" for share in first.values()]
    assert with_trial.table() == kept.table()
    write_predictions(folder / "mlp" / "another" / PREDICTIONS, kept.runs["ann"][:2])
    with pytest.raises(DataError, match="mlp and its trials are compared with the same seeds"):
        Kept.read(folder).part("trials mlp")
    shutil.rmtree(folder / "mlp" / "another")
    trial.unlink()
    with pytest.raises(DataError, match="no part 'trials mlp'"):
        Kept.read(folder).part("trials mlp")


def test_a_trial_that_left_corpora_out_is_shown_where_it_is_asked_for(folder: Path) -> None:
    header, *answers = (EVALUATION / "edge" / ACROSS).read_text().splitlines(keepends=True)
    alone = Kept.read(folder)
    for name in ("mlp/a-change", "ann"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / ACROSS).write_text(header + "".join(answers[::50]))
    kept = Kept.read(folder)
    assert kept.part("across mlp/a-change") == kept.part("across ann") != ""
    assert "+0.0 (+0.0 to +0.0)" in kept.part("across mlp/a-change ann")
    assert "mlp/a-change" not in kept.table()
    assert "mlp/a-change" not in kept.table("ann")
    with pytest.raises(DataError, match="no part 'across mlp/a-change'"):
        alone.part("across mlp/a-change")


def test_a_page_without_marks_is_refused(kept: Kept) -> None:
    with pytest.raises(DataError, match="<!-- ser evaluate: PART --> in the page"):
        markdown.renew("# Page\n", kept.part)


def test_a_page_that_is_no_text_is_refused_and_stays(kept: Kept, tmp_path: Path) -> None:
    (page := tmp_path / "page.md").write_bytes(b"\xff\x00")
    with pytest.raises(DataError, match=r"page.md is not a page of text"):
        kept.renew(page)
    assert page.read_bytes() == b"\xff\x00"


def test_a_mark_without_an_end_loses_nothing(kept: Kept) -> None:
    page = "<!-- ser evaluate: table -->\nkept\n<!-- ser evaluate: short -->\nold\n<!-- end -->\n"
    with pytest.raises(DataError, match="without its <!-- end -->"):
        markdown.renew(page, kept.part)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_the_kept_figures(kept: Kept, page: Path) -> None:
    text = page.read_text()
    assert text == markdown.renew(text, kept.part), "make accuracy writes it anew"
