"""An evaluation as a Markdown page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from training_pipeline.errors import DataError
from training_pipeline.evaluation.cost import Cost, Costs
from training_pipeline.evaluation.gains import Gain
from training_pipeline.reports.cells import mean_share, or_none, points_with, share_with, shares
from training_pipeline.reports.file_names import file_name

ACCURACY_COLUMNS = (
    "model", "accuracy", "of each seed", "spread over folds", "UAR", "by sex", "ECE, debiased (95 % over speakers)",
    "not uncertain", "of them right",
)  # fmt: skip
COST_COLUMNS = ("MB (loaded)", "parameters", "features, ms", "model, ms", "real-time factor")
BEGIN = re.compile(r"^<!-- ser evaluate: [^>]+ -->$", re.MULTILINE)
MARKED = re.compile(
    r"(?P<begin><!-- ser evaluate: (?P<part>[^>]+) -->\n)(?:(?!<!-- ser evaluate: ).)*?(?P<end><!-- end -->)", re.DOTALL
)


def summary_table(results: dict[str, dict[str, Any]]) -> str:
    """One row for each model and protocol; below them chance, and the share of the most frequent emotion."""
    lines = [
        "| model | protocol | accuracy | 95% over speakers | spread over folds | UAR | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, protocols in results.items():
        lines += [
            f"| `{model}` | {protocol.replace('_', ' ')} | {m['accuracy']:.1%} "
            f"| {' to '.join(f'{end:.1%}' for end in m['accuracy_interval'])} | {m['accuracy_std']:.1%} "
            f"| {m['uar']:.1%} | {m['ece']:.1%} |"
            for protocol, m in protocols.items()
        ]
    if m := next((figures for protocols in results.values() for figures in protocols.values()), None):
        always = f"Always saying {m['majority']} would be right in {m['majority_share']:.1%} of clips"
        lines += ["", f"{always}; chance is {m['chance']:.1%}."]
    return "\n".join(lines) + "\n"


def predictions_table(results: dict[str, dict[str, Any]], costs: Costs | None = None) -> str:
    """One row for each model, from kept predictions: means over seeds, calibration of each seed's run.

    With `costs` what a clip costs stands beside it, and how that was measured below.
    """
    columns = [*ACCURACY_COLUMNS, *(COST_COLUMNS if costs else ())]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for model, m in results.items():
        sexes = shares(m["per_sex"])
        accuracy, spread = m["accuracy"], m["accuracy_std"]
        ece = "; ".join(share_with(c["ece_debiased"], c["interval"]) for c in m["calibration"])
        seeds = ", ".join(f"{seed}: {r['accuracy']:.1%}" for seed, r in zip(m["seeds"], m["runs"], strict=True))
        certain = [mean_share(m["calibration"], name) for name in ("sure", "sure_right")]
        cells = [f"`{model}`", f"{accuracy:.1%}", seeds, f"{spread:.1%}", f"{m['uar']:.1%}", sexes, ece, *certain]
        cells += _cost_cells(costs.models.get(model)) if costs else []
        lines.append(f"| {' | '.join(cells)} |")
    if costs:
        lines += [
            "",
            f"Cost: a clip of {costs.clip_s:g} s on one thread, medians of {costs.calls} calls, the best in brackets. "
            "Real-time factor: seconds of features and model for a second of audio. Loaded: without warm-up and golden "
            f"set. {costs.machine}; the thread had {costs.cpu_share:.0%} of a core.",
        ]
    return "\n".join(lines) + "\n"


def short_table(results: dict[str, dict[str, Any]], costs: Costs | None = None) -> str:
    """The same in a few columns, for a page that says where the rest stands."""
    clip = f"a clip of {costs.clip_s:g} s, one thread" if costs else "a clip"
    lines = [f"| model | accuracy | UAR | ECE, debiased | size | {clip} |", "|---|---|---|---|---|---|"]
    for model, m in results.items():
        ece = float(np.mean([c["ece_debiased"] for c in m["calibration"]]))
        cost = costs.models.get(model) if costs else None
        cells = [f"{_short(cost.size_bytes / 1e6)} MB", f"{_short(cost.total_ms)} ms"] if cost else ["not measured"] * 2
        shares = [f"{share:.1%}" for share in (m["accuracy"], m["uar"], ece)]
        lines.append(f"| {' | '.join([f'`{model}`', *shares, *cells])} |")
    return "\n".join(lines) + "\n"


def _cost_cells(cost: Cost | None) -> list[str]:
    if cost is None:
        return ["not measured"] * len(COST_COLUMNS)
    return [
        f"{_short(cost.size_bytes / 1e6)} ({_short(cost.loaded_bytes / 1e6)})",
        "not known" if cost.parameters is None else f"{cost.parameters:,}",
        f"{_short(cost.features.median_ms)} ({_short(cost.features.best_ms)})",
        f"{_short(cost.model.median_ms)} ({_short(cost.model.best_ms)})",
        _short(cost.real_time_factor, 2),
    ]


def _short(value: float, digits: int = 3) -> str:
    return f"{float(f'{value:.{digits}g}'):g}"


def emotions_table(measured: Sequence[dict[str, Any]]) -> str:
    """Precision, recall and F1 of each emotion: means over what `measure` said of each run."""
    lines = ["| emotion | precision | recall | F1 | clips |", "|---|---|---|---|---|"]
    for emotion, first in measured[0]["per_label"].items():
        of = {name: fmean(m["per_label"][emotion][name] for m in measured) for name in first}
        lines.append(f"| {emotion} | {of['precision']:.1%} | {of['recall']:.1%} | {of['f1']:.1%} | {of['clips']:.0f} |")
    return "\n".join(lines) + "\n"


def seeds_table(models: Mapping[str, dict[str, Any]]) -> str:
    """One row for each seed of what `measure_runs` said of models, and the mean of all rows below them."""
    rows = [
        (f"`{model}`", seed, run)
        for model, m in models.items()
        for seed, run in zip(m["seeds"], m["runs"], strict=True)
    ]
    sexes = sorted({sex for _, _, run in rows for sex in run["per_sex"]})
    names = ("model", "seed", "accuracy", "UAR", *sexes)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    shares = [[run["accuracy"], run["uar"], *(run["per_sex"].get(sex) for sex in sexes)] for _, _, run in rows]
    for (model, seed, _), own in zip(rows, shares, strict=True):
        lines.append(f"| {' | '.join([model, str(seed), *map(or_none, own)])} |")
    if len(rows) > 1:
        known = ([share for share in column if share is not None] for column in zip(*shares, strict=True))
        means = (f"{fmean(column):.1%}" for column in known)
        lines.append(f"| {' | '.join(['mean', '', *means])} |")
    return "\n".join(lines) + "\n"


def steps_table(accuracies: Mapping[str, float], gains: Sequence[Gain]) -> str:
    """One row for each model, and what all but the first bring over the one that they were compared with."""
    lines = ["| model | accuracy | brings, points (95 % over speakers) |", "|---|---|---|"]
    for (model, accuracy), found in zip(accuracies.items(), [None, *gains], strict=True):
        points = points_with(found.accuracy, found.interval) if found else "the start"
        lines.append(f"| `{model}` | {accuracy:.1%} | {points} |")
    return "\n".join(lines) + "\n"


def renew(page: str, part: Callable[[str], str]) -> str:
    """The page with `part(PART)`, as it is now, after each `<!-- ser evaluate: PART -->`, up to `<!-- end -->`.

    Raises DataError for a page without any, or with one that has no end.
    """
    if not MARKED.search(page) or len(MARKED.findall(page)) != len(BEGIN.findall(page)):
        raise DataError("no <!-- ser evaluate: PART --> in the page, or one without its <!-- end -->")
    return MARKED.sub(lambda found: f"{found['begin']}{part(found['part'])}{found['end']}", page)


def robustness_tables(results: dict[str, dict[str, Any]]) -> str:
    """For each model two tables: clips made worse, and sounds without speech; nothing for no model."""
    return "".join(f"\n## Robustness of `{model}`\n\n{_robustness(result)}" for model, result in results.items())


def _robustness(result: dict[str, Any]) -> str:
    """Means over folds. A share is one of all clips; a confidence only of those with an answer."""
    clips = [
        f"| {name} | {m['accuracy']:.1%} | {or_none(m['confidence'])} | {or_none(m['confidence_wrong'])} "
        f"| {m['uncertain']:.1%} | {m['no_speech']:.1%} |"
        for name, m in result["conditions"].items()
    ]
    lines = [
        "| held-out clips | accuracy | mean confidence | of wrong answers | uncertain | no speech |",
        "|---|---|---|---|---|---|",
        *clips,
    ]
    return "\n".join(lines) + "\n\n" + sounds_table("no speech at all", result["not_speech"], result["min_confidence"])


def sounds_table(title: str, measured: Mapping[str, Mapping[str, float | None]], min_confidence: float) -> str:
    """One row for each kind of sound that has no emotion: shares of all clips, confidences of those with an answer."""
    lines = [
        f"| {title} | clips | no speech | uncertain (under {min_confidence:.0%}) | an emotion with confidence "
        "| mean confidence | highest |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {m['files']} | {m['no_speech']:.1%} | {m['uncertain']:.1%} | {m['confident']:.1%} "
            f"| {or_none(m['confidence'])} | {or_none(m['confidence_max'])} |"
            for name, m in measured.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def page(results: dict[str, dict[str, Any]], data: str, seed: int) -> str:
    """The whole report: summary, then each model's emotions, sexes and confusion matrix."""
    parts = [
        f"# Evaluation\n\nData: {data}. Seed {seed}. Training chooses nothing on a fold's test speakers.\n",
        summary_table(results),
    ]
    for model, protocols in results.items():
        metrics = protocols["unheard_speakers"]
        sexes = ", ".join(f"{sex} {value:.1%}" for sex, value in metrics["per_sex"].items())
        parts += [
            f"\n## `{model}` on unheard speakers\n",
            emotions_table([metrics]),
            f"Accuracy by sex: {sexes or 'not known'}.\n",
            f"![confusion matrix of {model}]({file_name('confusion', model)})\n",
        ]
    return "\n".join(parts)


def html_page(title: str, pictures: dict[str, bytes], text: str) -> str:
    """One file with PNG pictures inside, as a pipeline's page shows it."""
    shown = "".join(
        f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name, data in pictures.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<h1>{html.escape(title)}</h1>{shown}<pre>{html.escape(text)}</pre></html>\n"
    )
