"""The chart's shell scripts, run as its init containers run them."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chart.helm import CHART, ROOT

SHIPPED = ROOT / "models"


def fill(store: Path, model: str = "speech_emotion", source: Path = SHIPPED) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(CHART / "files" / "fill-store.sh"), str(store), model, str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def served(folder: Path) -> dict[str, bytes]:
    """What a model server reads: the configuration and the versions."""
    parts = ("speech_emotion/", "edge/", "models.config")
    return {name: data for name, data in files(folder).items() if name.startswith(parts)}


def test_an_empty_store_gets_what_ships(tmp_path: Path) -> None:
    done = fill(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path) == served(SHIPPED)


def test_a_filled_store_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    shutil.copytree(tmp_path / "speech_emotion" / "1", tmp_path / "speech_emotion" / "7")
    (tmp_path / "models.config").write_text('model_config_list { config { name: "speech_emotion" } }')
    before = files(tmp_path)
    assert fill(tmp_path).returncode == 0
    assert files(tmp_path) == before


def test_two_pods_may_fill_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: fill(tmp_path), range(4)))
    assert [each.returncode for each in done] == [0] * 4
    assert files(tmp_path) == served(SHIPPED)


def test_several_models_are_looked_for(tmp_path: Path) -> None:
    assert fill(tmp_path, "speech_emotion,edge").returncode == 0
    shutil.rmtree(tmp_path / "edge")
    (tmp_path / "edge").mkdir()
    done = fill(tmp_path, "speech_emotion,edge")
    assert done.returncode == 1
    assert f"{tmp_path}/edge has no version" in done.stderr


@pytest.mark.parametrize("models", ["absent", "speech", "speech_emotion,absent"])
def test_a_model_that_the_store_does_not_name_is_refused(tmp_path: Path, models: str) -> None:
    done = fill(tmp_path, models)
    model = models.rpartition(",")[2]
    assert done.returncode == 1
    assert f"no model in the store: models.config does not name {model}; set modelStore.modelName" in done.stderr


def test_a_store_without_a_version_is_refused(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "models.config", tmp_path)
    done = fill(tmp_path)
    assert done.returncode == 1
    assert "has no version" in done.stderr


@pytest.mark.parametrize("clients", [False, True], ids=["any client", "known clients"])
def test_keys_and_certificates_become_the_server_s_own_configuration(tmp_path: Path, clients: bool) -> None:
    key, certificate = "-----BEGIN KEY-----\na+b/c=\n-----END KEY-----\n", "-----BEGIN CERTIFICATE-----\nxyz\n"
    (tmp_path / "tls.key").write_text(key)
    (tmp_path / "tls.crt").write_text(certificate)
    (tmp_path / "ca.crt").write_text(certificate * 2)
    target = tmp_path / "ssl.config"
    command = ["sh", CHART / "files" / "ssl-config.sh", tmp_path, target, str(clients).lower()]
    subprocess.run(command, check=True, timeout=60)
    # No wheel has the message's own module: its text is read field by field.
    fields = dict(line.split(": ", 1) for line in target.read_text().splitlines())
    assert {name: json.loads(value) for name, value in fields.items()} == {
        "server_key": key,
        "server_cert": certificate,
        "client_verify": clients,
        **({"custom_ca": certificate * 2} if clients else {}),
    }
    assert target.stat().st_mode & 0o077 == 0
