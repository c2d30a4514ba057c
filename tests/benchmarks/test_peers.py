from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.peers import answers
from benchmarks.services import MODELS, peers
from tests.support import clips

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "benchmarks" / "peers").glob("*/requirements.txt"))
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", re.MULTILINE)


def pins(requirements: Path) -> dict[str, str]:
    return dict(PINNED.findall(requirements.read_text()))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_package_of_a_peer_is_pinned_with_hashes(folder: Path) -> None:
    text = (folder / "requirements.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry for entry in entries if not (PINNED.match(entry) and "--hash=sha256:" in entry)] == []
    lines = (folder / "requirements.in").read_text().splitlines()
    wanted = {re.split(r"[\[=<> ]", line)[0].lower() for line in lines}
    assert wanted <= pins(folder / "requirements.txt").keys()


def test_peers_run_the_models_on_the_same_tensorflow() -> None:
    ours = pins(ROOT / "requirements" / "dev.txt")
    names = [name for name in ours if name in ("tensorflow", "tensorflow-cpu")]
    assert names
    for folder in (folder for folder in FOLDERS if folder.name != "py_spy"):
        theirs = pins(folder / "requirements.txt")
        assert {name: theirs.get(name) for name in names} == {name: ours[name] for name in names}


def test_every_peer_has_a_folder_and_a_line_in_the_table() -> None:
    table = (ROOT / "benchmarks" / "peers" / "README.md").read_text()
    for peer in peers("handed"):
        assert (ROOT / "benchmarks" / "peers" / peer.folder / "service.py").is_file()
        assert f"| `{peer.folder}` |" in table


@pytest.mark.filterwarnings("ignore")  # of Keras
@pytest.mark.parametrize("model", ["ann", "edge"])
def test_both_ways_of_making_features_give_the_same_probabilities(model: str) -> None:
    clip = clips.tone(3.5, rate=48_000, subtype="PCM_16")
    naive, handed = answers.Naive(str(MODELS[model]))(clip), answers.Handed(str(MODELS[model]))(clip)
    assert naive["emotion"] == handed["emotion"]
    assert naive["probabilities"] == pytest.approx(handed["probabilities"], abs=2e-3)
