"""The report of one candidate: figures as JSON, a picture, and a page with the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_pipeline.reports import markdown, pictures
from training_pipeline.savedmodel.card_page import card_page

_FIGURES, _LAST = "evaluation.json", "report.html"


def is_report(folder: Path) -> bool:
    """Whether `folder` holds a whole report."""
    return (folder / _LAST).is_file()


def read_report(folder: Path) -> dict[str, Any]:
    """The figures of a report."""
    return dict(json.loads((folder / _FIGURES).read_text()))


def write_report(folder: Path, result: dict[str, Any], card: dict[str, Any]) -> None:
    """Write `evaluation.json`, `confusion.png`, `README.md` and, last, `report.html`, which holds all but the first."""
    folder.mkdir(parents=True, exist_ok=True)
    model, page, picture = card["model"], card_page(card), folder / "confusion.png"
    pictures.confusion(result["held_out"], result["labels"], f"{model}, held-out speakers", picture)
    (folder / _FIGURES).write_text(json.dumps(result, indent=1) + "\n")
    (folder / "README.md").write_text(f"{page}\n![confusion matrix](confusion.png)\n")
    shown = {"confusion matrix on held-out speakers": picture.read_bytes()}
    (folder / _LAST).write_text(markdown.html_page(f"Candidate {model}", shown, page))
