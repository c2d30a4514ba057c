"""README.md: its request is sent to the real service, and the answer is the one that it shows."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Gateway

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "README.md").read_text()
BASH = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.S | re.M)


def rounded(value: Any) -> Any:
    """The value with its numbers as README shows them."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def test_the_request_gets_the_answer_that_is_shown(service: Gateway) -> None:
    [request] = [block for block in BASH if "curl" in block]
    code = request.replace("http://127.0.0.1:8080", service.url)
    done = subprocess.run(["bash", "-eu"], input=code, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    [shown] = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, flags=re.S | re.M)]
    answer = rounded(json.loads(done.stdout))
    assert list(answer) == list(shown)
    assert list(answer["probabilities"]) == list(shown["probabilities"])
    for changing in ("request_id", "probabilities", "confidence"):
        answer.pop(changing)
    assert answer == {name: shown[name] for name in answer}


def test_the_confidence_is_the_one_that_is_shown(service: Gateway) -> None:
    answer = service.predict((ROOT / "samples" / "happy.flac").read_bytes()).json()
    [shown] = re.findall(r'"confidence": ([\d.]+)', PAGE)
    assert answer["confidence"] == pytest.approx(float(shown), abs=1e-3)


def test_its_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", PAGE))
    assert {"run", "test", "docs"} <= named
    assert named <= targets


def test_it_fits_on_a_screen_and_shows_the_page() -> None:
    assert len(PAGE.splitlines()) <= 60
    assert re.search(r"(\]\(|src=\")docs/pictures/page", PAGE)
