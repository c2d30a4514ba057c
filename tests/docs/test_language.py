"""Spelling and style of what people read: pages, settings, values, error texts, help texts, messages in the source."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from preprocess_gateway.http.catalogue import error_table
from preprocess_gateway.settings import Settings
from ser.main import app

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("speech_emotion", "model_server", "preprocess_gateway", "training_pipeline", "ser")
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "helm/*/README.md", "k8s/*.md", "*/README.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
    if "node_modules" not in page.parts
)
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
OTHERS = [
    *(ROOT / "helm" / "speech-emotion").glob("values.yaml"),
    *(ROOT / "helm" / "speech-emotion" / "templates").glob("*.txt"),
    *(ROOT / "preprocess_gateway" / "page").rglob("*.js"),
    *(ROOT / "preprocess_gateway" / "page").rglob("*.html"),
    ROOT / "Makefile",
]
LAB_NOTES = ROOT / "docs" / "measurements"


def read_phrases() -> list[tuple[re.Pattern[str], str]]:
    """The stumbles, and what to write instead."""
    lines = (Path(__file__).parent / "phrases.txt").read_text().splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(re.compile(phrase.replace(" ", r"\s+(?:#\s+)?"), re.IGNORECASE), better) for phrase, better in pairs]


PHRASES = read_phrases()


def stumbles(path: Path) -> Iterator[str]:
    text = path.read_text()
    for phrase, better in PHRASES:
        for found in phrase.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path.relative_to(ROOT)}:{line}: {' '.join(found[0].split())!r}; better: {better}"


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below this one: Typer has its own copy of click, so classes tell nothing."""
    yield name, command
    for child, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, f"{name} {child}")


COMMANDS = dict(commands(typer.main.get_command(app), "ser"))


@pytest.mark.parametrize("kind", [PAGES, SOURCES, OTHERS], ids=["pages", "sources", "others"])
def test_no_text_has_a_known_stumble(kind: list[Path]) -> None:
    assert len(kind) > 4
    found = {line: LAB_NOTES in path.parents for path in kind for line in stumbles(path)}
    assert [line for line, measured in found.items() if not (measured and "a lab note" in line)] == []


def test_a_stumble_is_found_across_a_line_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.test_language.ROOT", tmp_path)
    (tmp_path / "page.md").write_text("The body ended before\nits end.\n")
    assert list(stumbles(tmp_path / "page.md")) == [
        "page.md:1: 'ended before its end'; better: The request body ended early: 1,024 of 4,096 bytes received"
    ]


def test_everything_is_spelled_as_the_dictionary_has_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *PAGES, *SOURCES, *OTHERS],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_settings_are_described_in_sentences() -> None:
    for name, field in Settings.model_fields.items():
        text = field.description or ""
        assert text[:1].isupper() or text[:1] in "`g", name
        assert text.endswith("."), name


def test_errors_are_described_in_sentences() -> None:
    assert [error.code for error in error_table() if not re.match(r"[A-Z`].*\.$", error.text)] == []


def test_every_command_and_option_has_a_help_text_that_is_a_sentence() -> None:
    assert len(COMMANDS) > 20
    for name, command in COMMANDS.items():
        assert (command.help or "").strip().split("\n\n")[0].rstrip().endswith("."), name
        for parameter in command.params:
            text = getattr(parameter, "help", None)
            if text and parameter.name != "help":
                assert text.rstrip().endswith("."), f"{name} {parameter.name}: {text}"
                assert text[0].isupper() or text[0] in "`", f"{name} {parameter.name}: {text}"
