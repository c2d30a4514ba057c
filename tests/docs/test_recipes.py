"""docs/recipes: every block of every page is run in order, in a folder that has what the page says it has."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_emotion.samples import find_sample, samples
from tests.support.gateway import Gateway
from tests.support.ports import free_port
from training_pipeline.data.clips import read_clips
from training_pipeline.data.synthetic import write_synthetic

FOLDER = Path(__file__).parents[2] / "docs" / "recipes"
RATE = 16_000
RUNNERS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}
pytestmark = pytest.mark.timeout(600)  # one of them trains


def said(name: str) -> np.ndarray:
    """A sample's recording, int16 `[samples]`."""
    return np.asarray(soundfile.read(io.BytesIO(find_sample(name).read()), dtype="int16")[0])


def recordings(folder: Path) -> None:
    """Three speakers, three emotions, in folders."""
    for number, clip in enumerate(read_clips(write_synthetic(folder / "made", speakers=3, takes=2))):
        target = folder / "recordings" / f"speaker-{clip.speaker}" / clip.emotion / f"{number}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        clip.path.rename(target)
    shutil.rmtree(folder / "made")


def calls(folder: Path) -> None:
    """A call of 70 seconds, longer than a clip may be: an angry customer and a calm agent."""
    (folder / "calls").mkdir()
    sides = [np.resize(said(name), 70 * RATE) for name in ("angry", "calm")]
    soundfile.write(folder / "calls" / "monday.wav", np.stack(sides, axis=1), RATE)


def turn(folder: Path) -> None:
    soundfile.write(folder / "turn.wav", said("angry"), RATE)


def talk(folder: Path) -> None:
    soundfile.write(folder / "talk.wav", np.concatenate([said("happy"), said("happy")]), RATE)


def nothing(_folder: Path) -> None:
    """The page makes what it needs."""


RECIPES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "train_on_your_folder": (recordings, ["", "chance is 33.3%", "", '"emotion"', '"emotion"']),
    "call_archive": (calls, ["listen from 0 s to", ""]),
    "assistant_turn": (turn, ["'I am sorry about that. '\n''\n"]),
    "live_overlay": (talk, ["the whole talk: happy\nshown last: happy", ""]),
    "drift_alert": (nothing, ["SUCCESS"]),
}
"""What lies there before, and what each command prints."""


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_works_as_written(name: str, service: Gateway, tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", (FOLDER / f"{name}.md").read_text(), flags=re.S | re.M)
    prepare, expected = RECIPES[name]
    code = "".join(text for _, text in blocks)
    for program in ("promtool", "ffmpeg"):
        if re.search(rf"^{program} ", code, re.M) and shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    prepare(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "GATEWAY_PROBE_PORT", "MODEL_SERVER_PORT")}
    printed = []
    for language, text in blocks:
        if language == "yaml":
            (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
            continue
        done = subprocess.run(
            RUNNERS[language],
            input=text.replace("http://127.0.0.1:8080", service.url).replace("8081", ports["GATEWAY_PORT"]),
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env={**os.environ, **ports, "PATH": path},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed.append(done.stdout)
    assert len(printed) == len(expected)
    for output, wanted in zip(printed, expected, strict=True):
        assert wanted in output


def test_every_page_is_run_and_listed() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert pages == set(RECIPES)
    listed = set(re.findall(r"\]\((\w+\.(?:md|ipynb))\)", (FOLDER / "README.md").read_text()))
    assert listed == {path.name for path in FOLDER.iterdir()} - {"README.md"}


def test_the_notebook_runs_on_a_few_clips_and_is_kept_without_output(tmp_path: Path) -> None:
    notebook = FOLDER / "explore_ravdess.ipynb"
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    clips = tmp_path / "ravdess"
    clips.mkdir()
    for sample in samples():
        (clips / Path(sample.source).with_suffix(".flac")).write_bytes(sample.read())
    command = [Path(sys.executable).parent / "jupyter-execute", f"--output={tmp_path / 'done.ipynb'}", notebook]
    environment = {
        name: value for name, value in os.environ.items() if name != "MPLBACKEND"
    }  # pictures go to the cells
    environment |= {"RAVDESS_DIR": str(clips), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    ran = [cell for cell in json.loads((tmp_path / "done.ipynb").read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in ran] == list(range(1, len(ran) + 1))
    kinds = [kind for cell in ran for output in cell["outputs"] for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 4
