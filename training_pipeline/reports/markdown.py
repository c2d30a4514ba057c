"""An evaluation as a Markdown page."""

from __future__ import annotations

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
