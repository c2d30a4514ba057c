from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ser.main import app
from tests.support.model_server import free_port
from tests.support.stores import write_version

SHIPPED = Path(__file__).parents[2] / "models"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store that ships, with two more versions."""
    root = tmp_path / "store"
    shutil.copytree(SHIPPED, root)
    for n in (1, 2):
        done = run("publish", write_version(tmp_path / f"v{n}", f"{n}"), "--store", root)
        assert done.exit_code == 0, done.output
    return root


def labels(store: Path) -> dict[int, list[str]]:
    listed = json.loads(run("list", "--store", store, "--json").stdout)
    return {row["version"]: row["labels"] for row in listed["versions"]}


def test_labels_move_by_commands(store: Path) -> None:
    newest = max(labels(store))
    before = next(number for number, held in labels(store).items() if "stable" in held)
    assert run("canary", newest, "--offline", "--store", store).exit_code == 0
    assert labels(store)[newest] == ["canary"]
    done = run("promote", "--offline", "--json", "--store", store)
    assert (done.exit_code, json.loads(done.stdout)["before"], json.loads(done.stdout)["after"]) == (0, before, newest)
    assert labels(store)[newest] == ["stable"]
    assert run("rollback", "--offline", "--store", store).exit_code == 0
    assert labels(store)[before] == ["stable"]
    assert run("canary", newest, "--offline", "--store", store).exit_code == 0
    assert run("canary", "--off", "--store", store).exit_code == 0
    assert labels(store)[newest] == []


def test_exit_codes_tell_what_was_wrong(store: Path, tmp_path: Path) -> None:
    stable = next(number for number, held in labels(store).items() if "stable" in held)
    assert run("promote", 99, "--offline", "--store", store).exit_code == 3
    config = store / "models.config"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("#")))
    assert run("rollback", "--offline", "--store", store).exit_code == 3, "without history there is no predecessor"
    assert run("prune", stable, "--yes", "--store", store).exit_code == 4
    nobody = f"127.0.0.1:{free_port()}"
    done = run("promote", max(labels(store)), "--server", nobody, "--timeout-s", 0, "--store", store)
    assert (done.exit_code, labels(store)[stable]) == (6, ["stable"])
    assert nobody in done.output
    assert run("promote", max(labels(store)), "--store", store).exit_code == 2
    assert run("canary", "--store", store).exit_code == 2
    (tmp_path / "models.config").write_text("nonsense")
    assert run("list", "--store", tmp_path).exit_code == 1


def test_prune_by_command(store: Path) -> None:
    newest = max(labels(store))
    assert json.loads(run("prune", "--json", "--store", store).stdout)["removed"] == []
    done = run("prune", "--grace-s", 0, "--dry-run", "--store", store)
    assert f"{newest} (not really: --dry-run)" in done.stdout
    assert newest in labels(store)
    assert run("prune", newest, "--yes", "--store", store).exit_code == 0
    assert newest not in labels(store)


def test_tables_are_for_people(store: Path) -> None:
    listed = run("list", "--store", store)
    assert listed.exit_code == 0
    assert "stable" in listed.stdout
    assert run("show", 1, "--store", store).exit_code == 0
    shown = json.loads(run("show", 1, "--store", store, "--json").stdout)
    assert "saved_model.pb" in shown["files"]


def test_sync_once(store: Path, tmp_path: Path) -> None:
    done = run("sync", store, tmp_path / "mirror")
    assert done.exit_code == 0, done.output
    assert "+speech_emotion/1" in done.stdout
    assert labels(tmp_path / "mirror") == labels(store)


def test_two_publishers_at_once_lose_nothing(store: Path, tmp_path: Path) -> None:
    sources = [write_version(tmp_path / f"at-once-{n}", f"at once {n}") for n in range(2)]
    before = labels(store)
    commands = [[sys.executable, "-m", "ser.main", "models", "publish", str(s), "--store", str(store)] for s in sources]
    for process in [subprocess.Popen(command, cwd=SHIPPED.parent) for command in commands]:
        assert process.wait(120) == 0
    after = labels(store)
    new = sorted(after.keys() - before.keys())
    assert new == [max(before) + 1, max(before) + 2]
    held = {(store / "speech_emotion" / str(number) / "saved_model.pb").read_text() for number in new}
    assert held == {"at once 0", "at once 1"}
    assert {number: after[number] for number in before} == before
