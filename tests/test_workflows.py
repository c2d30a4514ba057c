"""Workflows and templates on GitHub: actions pinned by hash, commands that exist, forms that can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z./-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_hash_and_says_its_version(workflow: Path) -> None:
    used = [line.strip() for line in workflow.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.search(line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_starts_without_permissions_and_its_make_targets_exist(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {}
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    made = {
        target for command in commands for line in re.findall(r"\bmake ([a-z. -]+)", command) for target in line.split()
    }
    assert made <= TARGETS


def test_one_action_has_one_version() -> None:
    found = {tuple(step["uses"].split("@")) for workflow in WORKFLOWS for step in steps(workflow) if "uses" in step}
    assert len({name for name, _ in found}) == len(found)


def test_issue_forms_ask_for_the_version_and_warn_of_recordings() -> None:
    forms = [yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yaml")]
    bug = next(form for form in forms if "bug" in form.get("labels", []))
    assert {"version", "happened", "reproduce"} <= {field.get("id") for field in bug["body"]}
    assert "recordings of people" in bug["body"][0]["attributes"]["value"]


def test_the_development_container_makes_what_the_makefile_has() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert "make .venv/.installed node" in container["postCreateCommand"]
    assert {"node", "unit"} <= TARGETS
