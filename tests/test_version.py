"""One version: what pyproject.toml says stands in the chart, the images, the examples and the changelog."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CHANGES = (ROOT / "CHANGELOG.md").read_text()
NAMED = re.compile(
    r"^(?:ARG VERSION=|version: |appVersion: )(\S+)|"
    r"speech-emotion/(?:gateway|pipeline|compose-model-server):(\d[\w.]*)",
    re.M,
)
FILES = (
    *("Dockerfile.gateway", "Dockerfile.pipeline", "Dockerfile.model_server", "compose.yaml", "k8s/model-store.yaml"),
    *("k8s/volumes.yaml", "k8s/README.md", "k8s/recurring-run.yaml"),
    *("helm/speech-emotion/Chart.yaml", "docs/plugins.md"),
)


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_the_version_of_the_project(name: str) -> None:
    found = [version for pair in NAMED.findall((ROOT / name).read_text()) for version in pair if version]
    assert found
    assert set(found) == {VERSION}, "`make version` sets it"


def test_the_changelog_has_the_version_with_its_date_and_what_to_do_when_upgrading() -> None:
    """Its form is that of Keep a Changelog: newest first, a date for each, known headings."""
    versions = re.findall(r"^## \[?([\d.]+|Unreleased)\]?(?: - (\S+))?$", CHANGES, flags=re.M)
    assert versions[0] == ("Unreleased", "")
    assert versions[1][0] == VERSION
    assert [datetime.date.fromisoformat(date) for _, date in versions[1:]]
    headings = set(re.findall(r"^### (.+)$", CHANGES, flags=re.M))
    assert "Upgrading" in headings
    assert headings <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrading"}


def test_every_line_of_the_changelog_belongs_to_a_kind_of_change() -> None:
    heading = ""
    for line in CHANGES.splitlines():
        if line.startswith("#"):
            heading = line
        assert not line.startswith("- ") or heading.startswith("### "), line
