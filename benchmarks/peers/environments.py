"""Each peer's own environment, made by uv from its pinned requirements, under .cache/peers (not in the repository).

`python -m benchmarks.peers.environments` makes all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent
CACHE = ROOT / ".cache" / "peers"


def binaries(name: str) -> Path:
    """The folder of the environment's programs; it is made or renewed where the requirements ask for it.

    Raises FileNotFoundError without uv, and CalledProcessError where packages cannot be installed.
    """
    requirements, folder = PEERS / name / "requirements.txt", CACHE / name
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    made = folder / ".made-from"
    if not made.exists() or made.read_text() != wanted:
        uv = shutil.which("uv")
        if not uv:
            raise FileNotFoundError("uv is not installed: it makes the peers' environments (pip install uv)")
        print(f"installing {requirements.relative_to(ROOT)} into {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        # Compiled now, as in an image: the first start is measured like the others.
        install = [uv, "pip", "install", "-q", "--compile-bytecode", "--require-hashes", "--python", folder]
        subprocess.run([*install, "-r", requirements], check=True)
        if (PEERS / name / "service.py").exists():
            answers = [folder / "bin" / "python", "-m", "benchmarks.peers.answers"]
            subprocess.run(answers, env=environment(), cwd=ROOT, check=True)
        made.write_text(wanted)
    return folder / "bin"


def environment(**more: str) -> dict[str, str]:
    """Variables for a peer's process, which imports this project's code as it is here."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{_metadata()}", "TF_CPP_MIN_LOG_LEVEL": "2", **more}


def _metadata() -> Path:
    """A folder with the project's metadata alone: its feature blocks are found as entry points."""
    source = Path(str(distribution("speech-emotion-serving").locate_file("")))
    found = next(source.glob("speech_emotion_serving-*.dist-info"))
    link = CACHE / "project" / found.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(found)
    return link.parent


def main() -> None:
    """Make every environment, so that a run does not have to."""
    for requirements in sorted(PEERS.glob("*/requirements.txt")):
        binaries(requirements.parent.name)


if __name__ == "__main__":
    main()
