"""`ser pipeline run` as a process, on a store with a running model server and gateway."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from speech_emotion.features import SEED_SPEC
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote
from speech_emotion.store.publish import publish
from tests.preprocess_gateway.conftest import FLAGS
from tests.support import savedmodels
from tests.support.clips import tone
from tests.support.gateway import Gateway
from tests.support.load import BackgroundLoad, post_file
from tests.support.model_server import ModelServer
from tests.support.notices import assert_no_notices
from training_pipeline.data.synthetic import EMOTIONS, write_synthetic

ROOT = Path(__file__).parents[2]
NAME = "speech_emotion"
pytestmark = pytest.mark.timeout(600)  # several processes, each of which imports TensorFlow


def ser(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ser.main", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert_no_notices(done.stdout, done.stderr)
    return done


def retrain(data: Path, store: Path, work: Path, *more: object) -> subprocess.CompletedProcess[str]:
    given = ("--data", data, "--store", store, "--work", work, "--folds", 0, "--json")
    return ser("pipeline", "run", "--model", "mlp", *given, *more)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic(tmp_path_factory.mktemp("data"), speakers=5, takes=4)


def copied_rows(data: Path, target: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> Path:
    """A manifest of the same recordings, each row changed, or left out where `change` gives none."""
    with data.open() as file:
        rows = [{**row, "path": str(data.parent / row["path"])} for row in csv.DictReader(file)]
    kept = [row for row in map(change, rows) if row is not None]
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, kept[0])
        writer.writeheader()
        writer.writerows(kept)
    return target


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store whose stable version has weights by chance, and never heard anyone."""
    root = tmp_path / "store"
    root.mkdir()
    (root / "models.config").write_text(
        f'model_config_list {{ config {{ name: "{NAME}" base_path: "{root / NAME}" model_platform: "tensorflow" '
        f"model_version_policy {{ all {{}} }} }} }}"
    )
    card = {"data": {"speakers": ["nobody"]}}
    version = savedmodels.write_linear(
        tmp_path / "chance", SEED_SPEC.to_json(), EMOTIONS, bins=SEED_SPEC.bins, card=card
    )
    promote(FolderStore(root), NAME, publish(FolderStore(root), NAME, version))
    return root


@pytest.fixture
def serving(store: Path) -> Iterator[tuple[ModelServer, Gateway]]:
    with ModelServer(*FLAGS, config_file=store / "models.config") as server, Gateway(server.address) as gateway:
        yield server, gateway


def card_of_label(gateway: Gateway, label: str) -> object:
    """The card that `/v1/models` shows, once the gateway knows the label."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        (model,) = requests.get(f"{gateway.url}/v1/models", timeout=60).json()["models"]
        for version in model["versions"]:
            if label in version["labels"]:
                return version["card"]
        time.sleep(0.1)
    raise AssertionError(f"no version is {label}")


def test_a_retrained_model_is_canary_then_stable_then_rolled_back_under_load(
    data: Path, store: Path, serving: tuple[ModelServer, Gateway], tmp_path: Path
) -> None:
    server, gateway = serving
    load = BackgroundLoad(post_file(f"{gateway.url}/predict", tone(0.5)))
    try:
        done = retrain(data, store, tmp_path / "work", "--server", server.address, "--model", "mlp")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert (result["version"], result["label"]) == (2, "canary"), result
        assert result["decision"]["figures"]["stable_accuracy"] < result["decision"]["figures"]["accuracy"]
        assert result["golden_gap"] <= 1e-4
        assert FolderStore(store).read_config().labels(NAME) == {"stable": 1, "canary": 2}
        card = json.loads(ser("models", "show", 2, "--store", store, "--json").stdout)["card"]
        assert card_of_label(gateway, "canary") == card
        assert (card["pretrained"], card["evaluation"]["held_out"]["speakers"]) == ({}, ["00"])
        assert card["not_for"]
        assert ser("models", "promote", "--store", store, "--server", server.address).returncode == 0
        promoted_s = gateway.seconds_until_version(2, tone(0.5))
        assert ser("models", "rollback", "--store", store, "--server", server.address).returncode == 0
        rolled_back_s = gateway.seconds_until_version(1, tone(0.5))
    finally:
        report = load.stop()
    assert report.failed == []
    assert len(report.records) > 20
    print(
        f"promote -> first answer {promoted_s:.2f} s, rollback -> first answer {rolled_back_s:.2f} s, "
        f"{len(report.records)} requests, {len(report.failed)} failed"
    )


def test_a_candidate_of_shuffled_labels_is_refused(data: Path, store: Path, tmp_path: Path) -> None:
    by_turns = (EMOTIONS[(n * 7 + n // 5) % 3] for n in itertools.count())
    shuffled = copied_rows(data, tmp_path / "shuffled.csv", lambda row: {**row, "label": next(by_turns)})
    done = retrain(shuffled, store, tmp_path / "work", "--label", "stable", "--offline")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["decision"]["verdict"], result["version"]) == ("refuse", None), result
    assert FolderStore(store).versions(NAME) == [1]
    assert FolderStore(store).read_config().labels(NAME) == {"stable": 1}


def test_a_broken_data_set_stops_the_run_with_the_files_named(data: Path, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data.parent, copy)
    broken = sorted(copy.glob("*.wav"))[3]
    broken.write_bytes(b"RIFF")
    done = retrain(copy / "manifest.csv", store, tmp_path / "work", "--offline")
    assert done.returncode == 7
    assert f"unreadable: {broken}" in done.stderr
    assert broken.name in (tmp_path / "work" / "validation.md").read_text()
    assert FolderStore(store).versions(NAME) == [1]


def split_leak(row: dict[str, str]) -> dict[str, str]:
    """Speaker 02 in training and test, 00 in test alone."""
    leaked = row["speaker"] == "02" and row["path"].endswith("-1.wav")
    return {**row, "split": "test" if row["speaker"] == "00" or leaked else "train"}


def without_angry(row: dict[str, str]) -> dict[str, str] | None:
    """The held-out speaker, 00, is never angry."""
    return None if (row["speaker"], row["label"]) == ("00", "angry") else row


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_angry, "no clip to test on of the emotion: angry"),
        (split_leak, "speakers in more than one split: 02"),
    ],
)
def test_a_set_that_cannot_be_measured_stops_the_run_in_one_line(
    change: Callable[[dict[str, str]], dict[str, str] | None], said: str, data: Path, store: Path, tmp_path: Path
) -> None:
    before = (store / "models.config").read_bytes()
    done = retrain(copied_rows(data, tmp_path / "broken.csv", change), store, tmp_path / "work", "--offline")
    assert done.returncode == 7
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert said.split(": ")[0] in (tmp_path / "work" / "validation.md").read_text()
    assert FolderStore(store).versions(NAME) == [1]
    assert (store / "models.config").read_bytes() == before


def test_a_label_without_servers_is_a_usage_error(data: Path, store: Path, tmp_path: Path) -> None:
    done = retrain(data, store, tmp_path / "work")
    assert done.returncode == 2
    assert "--offline" in done.stderr


@pytest.mark.slow
def test_a_run_killed_while_it_trains_goes_on_and_publishes_once(data: Path, store: Path, tmp_path: Path) -> None:
    arguments = [
        "--data",
        data,
        "--store",
        store,
        "--work",
        tmp_path / "work",
        "--folds",
        0,
        "--model",
        "ann",
        "--offline",
    ]
    pattern = "*/checkpoints/train/*/last.npz"
    command = [sys.executable, "-m", "tests.support.killed", pattern, "pipeline", "run", *map(str, arguments)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert FolderStore(store).versions(NAME) == [1]
    assert list((tmp_path / "work").glob(pattern))
    done = retrain(data, store, tmp_path / "work", "--model", "ann", "--offline")
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["version"], json.loads(done.stdout)["label"]) == (2, "canary")
    again = retrain(data, store, tmp_path / "work", "--model", "ann", "--offline")
    assert json.loads(again.stdout)["version"] == 2
    assert FolderStore(store).versions(NAME) == [1, 2]


def test_a_full_disk_ends_the_run_in_one_line_and_leaves_the_store_whole(
    data: Path, store: Path, tmp_path: Path
) -> None:
    limited = "ulimit -f 200; trap '' XFSZ; exec \"$@\""  # kilobytes: features pass, a SavedModel does not
    command = [sys.executable, "-m", "ser.main", "pipeline", "run", "--data", data, "--store", store]
    more = ["--model", "mlp", "--work", tmp_path / "work", "--folds", 0, "--offline"]
    done = subprocess.run(
        ["bash", "-c", limited, "bash", *map(str, command), *map(str, more)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert FolderStore(store).versions(NAME) == [1]
    assert FolderStore(store).read_config().labels(NAME) == {"stable": 1}
