"""The image of the model server: its few packages are all that the server imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from importlib.metadata import packages_distributions

allowed = set(sys.argv[1:])


class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        owners = {each.lower().replace("_", "-") for each in owned.get(name, ())}
        if path is None and owners and not allowed & owners:
            raise ModuleNotFoundError(f"the image has no {name}", name=name)


owned = packages_distributions()
sys.meta_path.insert(0, Absent)
import model_server.__main__
import model_server.serve
"""


def test_the_image_has_every_package_that_the_server_imports_and_no_audio() -> None:
    lock = (ROOT / "requirements" / "model_server.txt").read_text()
    packages = set(re.findall(r"^([a-z0-9-]+)==", lock, re.M))
    assert not packages & {"keras", "librosa", "numba", "scipy", "soundfile", "libclang"}
    ours = ("speech-emotion-serving",)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *packages, *ours], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_image_copies_the_packages_that_the_server_is_made_of() -> None:
    text = (ROOT / "Dockerfile.model_server").read_text()
    assert re.findall(r"^COPY (\w+) /opt/app/\1$", text, re.M) == ["speech_emotion", "model_server"]
    assert 'ENTRYPOINT ["python", "-m", "model_server"]' in text
