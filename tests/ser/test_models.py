from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import requests
from click.testing import Result
from typer.testing import CliRunner

from ser.main import app
from ser.serve import ConfigMirror
from speech_emotion.channel import Tls
from tests.model_server.calls import LABELS, answering_seed
from tests.preprocess_gateway.conftest import FLAGS
from tests.support import savedmodels
from tests.support.certificates import needs_openssl, self_signed
from tests.support.model_server import ModelServer, ssl_config
from tests.support.ports import free_port
from tests.support.stores import write_version
from tests.support.waiting import until

NAME = "speech_emotion"
SHIPPED = Path(__file__).parents[2] / "models"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store that ships, with two more versions."""
    root = tmp_path / "store"
    shutil.copytree(SHIPPED, root)
    for n in (1, 2):
        done = run("publish", write_version(tmp_path / f"v{n}", f"{n}"), "--store", root, "--no-rehearsal")
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


def test_a_version_is_loaded_once_before_it_enters_the_store(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    whole = savedmodels.write_linear(tmp_path / "whole", "{}", ("calm", "angry"))
    for folder, code, said in (
        (savedmodels.write_unloadable(tmp_path / "broken"), 8, "the candidate was not published"),
        (tmp_path, 1, "is not a SavedModel"),
        (whole, 0, "speech_emotion: version 1"),
    ):
        done = run("publish", folder, "--store", store)
        assert (done.exit_code, said in done.output) == (code, True), done.output
    assert labels(store) == {1: []}


def answering(server: ModelServer, label: str) -> int:
    """The version that a label of the server's model `m` leads to; 0 while there is no such label."""
    try:
        return answering_seed(server, label=label)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017
        return 0


def test_labels_move_on_a_server_by_command(binary: Path | None, tmp_path: Path) -> None:
    root, name = tmp_path / "store", "m"
    for seed in (1, 2):
        version = savedmodels.write_linear(tmp_path / f"version{seed}", "{}", LABELS, seed)
        assert run("publish", version, "--store", root, "--name", name, "--no-rehearsal").exit_code == 0
    assert run("promote", 1, "--offline", "--store", root, "--name", name).exit_code == 0
    config = ConfigMirror(root, tmp_path / "models.config", [name])
    with ModelServer(*FLAGS, config_file=config.target, name=name, binary=binary) as server:
        for command, holders in (
            (("promote", 2), {"stable": 2}),
            (("rollback",), {"stable": 1}),
            (("canary", 2), {"stable": 1, "canary": 2}),
            (("promote",), {"stable": 2}),
        ):
            done = run(*command, "--store", root, "--name", name, "--server", server.address)
            assert done.exit_code == 0, done.output
            config.refresh()
            until(lambda: {label: answering(server, label) for label in holders} == holders)  # noqa: B023


@needs_openssl
def test_labels_move_over_tls_by_command(binary: Path | None, tmp_path: Path) -> None:
    root, name = tmp_path / "store", "m"
    version = savedmodels.write_linear(tmp_path / "version", "{}", ("calm", "angry"))
    assert run("publish", version, "--store", root, "--name", name, "--no-rehearsal").exit_code == 0
    files = {who: self_signed(tmp_path, who, "DNS:localhost,IP:127.0.0.1") for who in ("server", "client")}
    key, certificate = files["client"]
    config = ssl_config(tmp_path / "ssl.config", files["server"], client_ca=certificate)
    tls = Tls(files["server"][1], certificate, key)
    with ModelServer(f"--ssl_config_file={config}", base_path=root / name, name=name, tls=tls, binary=binary) as server:
        promote = ("promote", 1, "--store", root, "--name", name, "--timeout-s", 0, "--server", server.address)
        ca = ("--server-ca-file", files["server"][1])
        own = ("--server-client-cert-file", certificate, "--server-client-key-file", key)
        for given, code in (((), 6), (ca, 6), (own, 1), ((*ca, *own[:2]), 1), (("--server-ca-file", root), 1)):
            assert run(*promote, *given).exit_code == code, given
        assert "labels" not in (root / "models.config").read_text()
        done = run(*promote, *ca, *own)
    assert done.exit_code == 0, done.output
    assert 'key: "stable"' in (root / "models.config").read_text()


def test_a_model_that_is_not_there_is_an_error_that_names_those_that_are(store: Path) -> None:
    for command in (["list"], ["show", 1], ["prune", "--yes"], ["promote", 1, "--offline"]):
        done = run(*command, "--name", "typo", "--store", store)
        assert done.exit_code == 3
        assert "no model typo (there: " in done.stderr


def test_a_bucket_without_credentials_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    done = run("list", "--store", "s3://nowhere/store")
    assert done.exit_code == 1
    assert done.stderr.startswith("s3://nowhere/store: Unable to locate credentials")


def test_prune_by_command(store: Path) -> None:
    oldest, newest = min(labels(store)), max(labels(store))
    # Neither stable nor what was stable before it; the newest is not an hour old.
    for more, code in ((["--json"], 0), (["--json", "--dry-run", "--yes"], 0), ([], 1)):  # nobody answers
        done = run("prune", *more, "--store", store)
        assert done.exit_code == code
        assert oldest in labels(store)
    done = run("prune", "--json", "--store", store)
    assert json.loads(done.stdout) == {"model": NAME, "removed": [oldest], "swept": 0, "dry_run": True}
    assert "--json deletes with --yes only" in done.stderr
    assert json.loads(run("prune", newest, "--json", "--store", store).stdout)["dry_run"] is True
    assert newest in labels(store)
    done = run("prune", "--json", "--yes", "--store", store)
    assert json.loads(done.stdout) == {"model": NAME, "removed": [oldest], "swept": 0, "dry_run": False}
    assert (done.stderr, oldest in labels(store)) == ("", False)
    done = run("prune", "--grace-s", 0, "--dry-run", "--store", store)
    assert f"{newest} (not really: --dry-run)" in done.stdout
    assert newest in labels(store)
    assert run("prune", newest, "--yes", "--store", store).exit_code == 0
    assert newest not in labels(store)


def test_an_empty_folder_is_no_version(store: Path) -> None:
    versions = labels(store)
    (store / NAME / str(empty := max(versions) + 5)).mkdir()
    done = run("promote", empty, "--offline", "--store", store)
    assert (done.exit_code, "is no SavedModel" in done.stderr) == (3, True)
    assert labels(store) == versions
    assert run("prune", empty, "--yes", "--store", store).exit_code == 0
    assert not (store / NAME / str(empty)).exists()


def test_a_label_whose_version_is_gone_is_listed(store: Path) -> None:
    stable = next(number for number, held in labels(store).items() if "stable" in held)
    assert json.loads(run("list", "--store", store, "--json").stdout)["dangling"] == {}
    shutil.rmtree(store / NAME / str(stable))
    assert json.loads(run("list", "--store", store, "--json").stdout)["dangling"] == {"stable": stable}
    assert stable not in labels(store)
    row = next(line for line in run("list", "--store", store).stdout.splitlines() if "stable" in line)
    assert (str(stable) in row, "not there" in row) == (True, True)
    before = labels(store)
    done = run("prune", "--grace-s", 0, "--yes", "--store", store)
    assert (done.exit_code, f"stable of {NAME} names version {stable}" in done.stderr) == (3, True)
    assert labels(store) == before


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


def test_sync_follows_until_it_is_ended_and_says_each_change_once(store: Path, tmp_path: Path) -> None:
    source, port = tmp_path / "source", free_port()
    words = ("models", "sync", source, tmp_path / "copy", "--every-s", 0.05, "--require", "speech_emotion")
    command = [sys.executable, "-m", "ser.main", *map(str, words), "--status-port", str(port)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=SHIPPED.parent, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"status on port {port}\n"
        assert f"{source} is not a model store" in process.stdout.readline()
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=60).status_code == 503
        store.rename(source)
        lines = list(iter(lambda: process.stdout.readline().strip(), "the copy is whole"))
        assert {"+speech_emotion/1", "models.config"} <= set(lines)
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=60).status_code == 200
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0, rest
    assert rest == ""
    assert labels(tmp_path / "copy") == labels(source)


def test_two_publishers_at_once_lose_nothing(store: Path, tmp_path: Path) -> None:
    sources = [write_version(tmp_path / f"at-once-{n}", f"at once {n}") for n in range(2)]
    before = labels(store)
    publish = [sys.executable, "-m", "ser.main", "models", "publish", "--no-rehearsal", "--store", str(store)]
    commands = [[*publish, str(source)] for source in sources]
    for process in [subprocess.Popen(command, cwd=SHIPPED.parent) for command in commands]:
        assert process.wait(120) == 0
    after = labels(store)
    new = sorted(after.keys() - before.keys())
    assert new == [max(before) + 1, max(before) + 2]
    held = {(store / "speech_emotion" / str(number) / "saved_model.pb").read_text() for number in new}
    assert held == {"at once 0", "at once 1"}
    assert {number: after[number] for number in before} == before
