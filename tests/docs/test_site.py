"""`make docs`: every link and anchor leads somewhere, and a reader's browser asks no other host for anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "docs" / "site"
LOADED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]+)\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", SITE, "-d", folder / "work", ROOT]
    built = subprocess.run([*command, folder / "html"], capture_output=True, text=True, timeout=200)
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_every_page_of_the_docs_is_built_and_can_be_searched(site: Path) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "measurements").glob("*.md")]
    assert [page.name for page in pages if not (site / page.relative_to(ROOT)).with_suffix(".html").exists()] == []
    index = (site / "searchindex.js").read_text()
    assert "docs/glossary" in json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["docnames"]


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    assert [(page.name, found) for page in pages for found in LOADED.findall(page.read_text())] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", styles) == []


def test_diagrams_are_drawn_by_a_script_of_the_site(site: Path) -> None:
    assert '<pre class="mermaid">flowchart' in (site / "docs" / "hostile_input.html").read_text()
    if not (ROOT / "node_modules" / "@mermaid-js").exists():
        pytest.skip("no node_modules: diagrams are shown as text")
    assert "_static/mermaid.tiny.js" in (site / "docs" / "hostile_input.html").read_text()
    assert (site / "_static" / "mermaid.tiny.js").stat().st_size > 1_000_000
