"""Sphinx: README and all pages as a site with search (`make docs`). It asks no other host for anything."""

from __future__ import annotations

import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parent.parent.parent
MERMAID = ROOT / "node_modules" / "@mermaid-js" / "tiny" / "dist"

SECTIONS = {
    "Use it": [
        "docs/examples",
        "docs/recipes/*",
        "docs/page",
        "docs/api",
        "docs/accuracy",
        "docs/glossary",
    ],
    "Run it": ["docs/kubernetes", "docs/operations", "docs/configuration", "helm/speech-emotion/README"],
    "Train it": ["docs/pipeline", "docs/plugins", "k8s/README", "models/README", "samples/README"],
    "How it works": ["docs/architecture", "docs/performance", "docs/model_server", "docs/images", "docs/hostile_input"],
    "Change it": ["CONTRIBUTING", "CHANGELOG", "SECURITY", "CODE_OF_CONDUCT"],
    "How it was measured": ["docs/measurements/*", "benchmarks/README", "benchmarks/peers/README"],
}
"""The menu. A page of docs/ that stands in no section comes last, under "More"."""

project = "Speech Emotion Serving"
author = "Speech Emotion Serving contributors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md"),
    *("docs/*.md", "docs/*/*.md", "helm/speech-emotion/README.md", "k8s/README.md", "benchmarks/README.md"),
    "benchmarks/peers/README.md",
    *("models/README.md", "samples/README.md"),
]
exclude_patterns = ["docs/examples/plugin/**", ".*", "node_modules", "build", "reports"]
nitpicky = True
myst_heading_anchors = 4  # as a repository browser makes them
myst_enable_extensions = ["html_image"]
myst_fence_as_directive = ["mermaid"]
suppress_warnings = ["misc.highlighting_failure"]  # answers in JSON with "..." in them

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = [str(MERMAID)] if MERMAID.exists() else []
html_additional_pages = {"index": "index.html"}
html_show_sourcelink = False
html_copy_source = False
templates_path = ["html"]
pygments_style = "friendly"
pygments_dark_style = "monokai"


class Mermaid(SphinxDirective):
    """A diagram, which mermaid.tiny.js draws in the browser; without Node.js its text is shown."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The diagram's text as mermaid looks for it."""
        text = nodes.Text("\n".join(self.content)).astext()
        html = text.replace("&", "&amp;").replace("<", "&lt;")
        return [nodes.raw("", f'<pre class="mermaid">{html}</pre>', format="html")]


def add_menu(_app: Sphinx, page: str, source: list[str]) -> None:
    """The menu stands under README, where a repository browser does not show it."""
    if page != root_doc:
        return
    named = {name for names in SECTIONS.values() for name in names}
    pages = {path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob("docs/*.md")}
    pages |= {path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob("docs/recipes/*.md")}
    for caption, names in {**SECTIONS, "More": sorted(pages - named)}.items():
        listed = [name for name in names if "*" in name or (ROOT / f"{name}.md").exists()]
        if listed:
            entries = "\n".join(listed)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{entries}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("mermaid", Mermaid)
    app.connect("source-read", add_menu)
    if MERMAID.exists():
        app.add_js_file("mermaid.tiny.js")
