"""An evaluation as a Markdown page."""

from __future__ import annotations

import base64
import html
from typing import Any


def summary_table(results: dict[str, dict[str, Any]]) -> str:
    """One row for each model and protocol."""
    lines = [
        "| model | protocol | accuracy | spread over folds | UAR | ECE |",
        "|---|---|---|---|---|---|",
    ]
    for model, protocols in results.items():
        lines += [
            f"| `{model}` | {protocol.replace('_', ' ')} | {m['accuracy']:.1%} | {m['accuracy_std']:.1%} "
            f"| {m['uar']:.1%} | {m['ece']:.1%} |"
            for protocol, m in protocols.items()
        ]
    return "\n".join(lines) + "\n"


def predictions_table(results: dict[str, dict[str, Any]]) -> str:
    """One row for each model, from kept predictions: means over seeds, calibration of each seed's run."""
    lines = [
        "| model | seeds | accuracy | spread over folds | UAR | by sex | ECE, debiased (95 % over speakers) |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, m in results.items():
        sexes = ", ".join(f"{sex} {v:.1%}" for sex, v in m["per_sex"].items()) or "not known"
        accuracy, spread = m["accuracy"], m["accuracy_std"]
        ece = "; ".join(
            f"{c['ece_debiased']:.1%} ({c['interval'][0]:.1%} to {c['interval'][1]:.1%})" for c in m["calibration"]
        )
        seeds = ", ".join(map(str, m["seeds"]))
        lines.append(f"| `{model}` | {seeds} | {accuracy:.1%} | {spread:.1%} | {m['uar']:.1%} | {sexes} | {ece} |")
    return "\n".join(lines) + "\n"


def robustness_tables(results: dict[str, dict[str, Any]]) -> str:
    """For each model two tables: clips made worse, and sounds without speech; nothing for no model."""
    return "".join(f"\n## Robustness of `{model}`\n\n{_robustness(result)}" for model, result in results.items())


def _robustness(result: dict[str, Any]) -> str:
    """Means over folds. A share is one of all clips; a confidence only of those with an answer."""
    clips = [
        f"| {name} | {m['accuracy']:.1%} | {_or_none(m['confidence'])} | {_or_none(m['confidence_wrong'])} "
        f"| {m['uncertain']:.1%} | {m['no_speech']:.1%} |"
        for name, m in result["conditions"].items()
    ]
    sounds = [
        f"| {name} | {m['no_speech']:.1%} | {m['uncertain']:.1%} | {m['confident']:.1%} "
        f"| {_or_none(m['confidence'])} | {_or_none(m['confidence_max'])} |"
        for name, m in result["not_speech"].items()
    ]
    lines = [
        "| held-out clips | accuracy | mean confidence | of wrong answers | uncertain | no speech |",
        "|---|---|---|---|---|---|",
        *clips,
        "",
        f"| no speech at all | no speech | uncertain (under {result['min_confidence']:.0%}) | a label with confidence "
        "| mean confidence | highest |",
        "|---|---|---|---|---|---|",
        *sounds,
    ]
    return "\n".join(lines) + "\n"


def _or_none(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def page(results: dict[str, dict[str, Any]], data: str, seed: int) -> str:
    """The whole report: summary, then each model's labels, sexes and confusion matrix."""
    parts = [
        f"# Evaluation\n\nData: {data}. Seed {seed}. Nothing was chosen on test speakers.\n",
        summary_table(results),
    ]
    for model, protocols in results.items():
        metrics = protocols["unheard_speakers"]
        rows = [
            f"| {label} | {m['precision']:.1%} | {m['recall']:.1%} | {m['f1']:.1%} | {m['clips']:.0f} |"
            for label, m in metrics["per_label"].items()
        ]
        sexes = ", ".join(f"{sex} {value:.1%}" for sex, value in metrics["per_sex"].items())
        parts += [
            f"\n## `{model}` on unheard speakers\n",
            "| label | precision | recall | F1 | clips |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n",
            f"Accuracy by sex: {sexes or 'not known'}.\n\n![confusion matrix of {model}](confusion-{model}.png)\n",
        ]
    return "\n".join(parts)


def card_page(card: dict[str, Any]) -> str:
    """A model card as a page."""
    data, held_out = card["data"], card["evaluation"].get("held_out", {})
    folds = card["evaluation"].get("unheard_speakers")
    lines = [
        f"# Model card: `{card['model']}`\n",
        f"{card['intended_use']}\n",
        "| what | value |\n|---|---|",
        f"| trained on | {data['name']}: {data['clips']} clips of {len(data['speakers'])} speakers |",
        *([f"| from | {data['source']} |"] if data["source"] else []),
        f"| starts from | {'; '.join(f'{k}: {v}' for k, v in card['pretrained'].items()) or 'random weights'} |",
        f"| parameters | {card['parameters']} |",
        f"| temperature | {card['calibration']['temperature']:.3f}, {card['calibration']['method']} |",
        f"| feature fingerprint | `{card['feature_fingerprint']}` |",
        f"| created | {card['created']}, revision {card['revision']}, seed {card['seed']} |",
        f"| licence of the data and the weights | {card['licences']['weights']} |",
    ]
    if held_out:
        lines += [
            f"| held-out speakers, never trained on | {', '.join(held_out['speakers'])} |",
            f"| accuracy, UAR on them | {held_out['accuracy']:.1%}, {held_out['uar']:.1%} |",
            f"| ECE on them | {held_out['ece']:.1%} |",
            f"| ECE on them without temperature | {held_out['ece_uncalibrated']:.1%} |",
        ]
    if folds:
        lines.append(
            f"| {len(card['folds'])} folds of unheard speakers | accuracy {folds['accuracy']:.1%} "
            f"(spread {folds['accuracy_std']:.1%}), UAR {folds['uar']:.1%}, ECE {folds['ece']:.1%} |"
        )
    lines += ["", "## What the figures mean\n", card["figures_mean"], "", "## Not for\n"]
    lines += [f"- {use}" for use in card["not_for"]]
    return "\n".join(lines) + "\n"


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
