"""A model card as a page, which travels beside it."""

from __future__ import annotations

from typing import Any


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
        f"| temperature | {_temperature(card['calibration'])} |",
        f"| feature fingerprint | `{card['feature_fingerprint']}` |",
        f"| created | {card['created']}, revision {card['revision']}, seed {card['seed']} |",
        f"| licence of the data and the weights | {card['licences']['weights']} |",
    ]
    if held_out:
        lines += [
            f"| held-out speakers, never trained on | {', '.join(held_out['speakers'])} |",
            f"| accuracy, UAR on them | {held_out['accuracy']:.1%}, {held_out['uar']:.1%} |",
            *_chance(held_out),
            f"| ECE on them | {held_out['ece']:.1%} |",
            f"| ECE on them without temperature | {held_out['ece_uncalibrated']:.1%} |",
        ]
    if folds:
        lines.append(
            f"| {len(card['folds'])} folds of unheard speakers | accuracy {folds['accuracy']:.1%} "
            f"(spread {folds['accuracy_std']:.1%}), UAR {folds['uar']:.1%}, ECE {folds['ece']:.1%} |"
        )
    lines += [_corpus(row) for row in card["evaluation"].get("across", []) if "accuracy" in row]
    figures = card["figures_mean"] if card["evaluation"] else "It was trained without an evaluation: there are none."
    lines += ["", "## What the figures mean\n", figures, "", "## Not for\n"]
    lines += [f"- {use}" for use in card["not_for"]]
    return "\n".join(lines) + "\n"


def _corpus(row: dict[str, Any]) -> str:
    """What `measure_corpus` found of one corpus."""
    heard = "not trained on it" if row["left_out"] else "trained on other speakers of it"
    figures = f"accuracy {row['accuracy']:.1%}, UAR {row['uar']:.1%}, ECE {row['ece_debiased']:.1%}"
    return f"| {row['corpus']}: {heard} | {figures}; among its labels UAR {row['among']['uar']:.1%} |"


def _temperature(calibration: dict[str, Any]) -> str:
    """Cards of models of one corpus have one temperature."""
    if "temperatures" not in calibration:
        return f"{calibration['temperature']:.3f}, {calibration['method']}"
    own = ", ".join(f"{corpus} {value:.3f}" for corpus, value in calibration["temperatures"].items())
    return f"{own}, times (1 + least distance) ** {calibration['exponent']:.3f}; {calibration['method']}"


def _chance(held_out: dict[str, Any]) -> list[str]:
    """What stands beside the accuracy; cards of earlier versions do not say it."""
    if "accuracy_interval" not in held_out:
        return []
    low, high = held_out["accuracy_interval"]
    return [
        f"| accuracy, 95 % over speakers and clips | {low:.1%} to {high:.1%} |",
        f"| always saying {held_out['majority']}; chance | {held_out['majority_share']:.1%}; "
        f"{held_out['chance']:.1%} |",
    ]
