from __future__ import annotations

import re
from pathlib import Path

import pytest

from preprocess_gateway.settings import Settings
from ser.gateway_settings import OF_ANSWERS, variable

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "configuration.md"
TITLE = "# Configuration of the gateway"
INTRODUCTION = (
    "The gateway reads its settings from environment variables and refuses a value out of bounds when it starts. "
    "An empty variable counts as not set. "
    "In the chart they are `gateway.settings`, in lower case and without `GATEWAY_`."
)
*ALL_BUT_LAST, LAST = (f"`{variable(name)}`" for name in OF_ANSWERS)
BY_SER = (
    f"`ser predict --local` reads only those that change answers: {', '.join(ALL_BUT_LAST)} and {LAST}. "
    "`ser serve` reads all but those of its own model server (`GATEWAY_MODEL_SERVER` and the certificates for it)."
)


def configuration_page() -> str:
    """docs/configuration.md, made from the settings themselves."""
    rows = [TITLE, "", INTRODUCTION, "", BY_SER, "", "| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        text = " ".join((field.description or "").split())
        rows.append(f"| `GATEWAY_{name.upper()}` | `{field.default}` | {text} |")
    return "\n".join(rows) + "\n"


def test_every_setting_is_documented_and_the_page_is_current() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    assert PAGE.read_text() == configuration_page(), "python -m tests.docs.test_docs writes it anew"


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


if __name__ == "__main__":
    PAGE.write_text(configuration_page())
