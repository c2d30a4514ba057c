"""Figures of several corpora as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training_pipeline.reports.cells import or_none, points, share_with, shares, with_interval

ACROSS_COLUMNS = (
    "corpus", "trained on", "clips, speakers", "accuracy", "UAR", "ECE, debiased", "not uncertain", "of them right",
    "by sex", "by age",
)  # fmt: skip
AMONG = "Asked only among the labels that each corpus has:"


def across_tables(measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """For each model the tables of corpora, trained on and left out; nothing for no model."""
    return "".join(f"\n## `{model}` across corpora\n\n{across_table(rows)}" for model, rows in measured.items() if rows)


def across_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One row for each corpus, whether it was left out, and seed: what `measure_across` says.

    A second table has the same figures if a model may only answer labels of the corpus.
    """
    among = [{**row, **row["among"]} if "among" in row else row for row in rows]
    return f"{_across_table(rows)}\n{AMONG}\n\n{_across_table(among)}"


def _across_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"| {' | '.join(ACROSS_COLUMNS)} |", "|" + "---|" * len(ACROSS_COLUMNS)]
    several = len({row["seed"] for row in rows}) > 1
    for row in rows:
        heard = ("never heard" if row["left_out"] else "others of its speakers") + (
            f", seed {row['seed']}" if several else ""
        )
        clips = f"{row['clips']:,}, {row.get('speakers', 0)}"
        if "accuracy" not in row:
            lines.append(f"| {row['corpus']} | {heard} | {clips} |" + " none |" * (len(ACROSS_COLUMNS) - 3))
            continue
        cells = [with_interval(row, "accuracy"), with_interval(row, "uar")]
        cells += [share_with(row["ece_debiased"], row["ece_interval"])]
        cells += [with_interval(row, "sure"), with_interval(row, "sure_right")]
        cells += [shares(row["per_sex"]), shares(row["per_age"])]
        lines.append(f"| {' | '.join([row['corpus'], heard, clips, *cells])} |")
    return "\n".join(lines) + "\n"


GAINS_COLUMNS = (
    "corpus, never heard", "clips, speakers", "accuracy", "brings", "UAR", "brings", "UAR among its labels",
    "ECE, debiased", "not uncertain", "of them right",
)  # fmt: skip


def across_gains_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One row for each corpus, before and after: what `across_gains` says, with 95 % intervals over speakers."""
    lines = [f"| {' | '.join(GAINS_COLUMNS)} |", "|" + "---|" * len(GAINS_COLUMNS)]
    for row in rows:
        shown = {
            name: " to ".join(or_none(row[when][name]) for when in ("before", "after"))
            for name in ("accuracy", "uar", "ece_debiased", "sure", "sure_right")
        }
        cells = [row["corpus"], f"{row['after']['clips']:,}, {row['after']['speakers']}"]
        cells += [shown["accuracy"], points(row, "accuracy_gain"), shown["uar"], points(row, "uar_gain")]
        cells += [" to ".join(or_none(row[when]["among"]["uar"]) for when in ("before", "after"))]
        cells += [shown[name] for name in ("ece_debiased", "sure", "sure_right")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
