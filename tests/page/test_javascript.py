"""The page's JavaScript: types, lint and unit tests, by node; and that it has words for every error."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from preprocess_gateway.http.catalogue import error_table
from preprocess_gateway.http.problems import OTHER_CODE

ROOT = Path(__file__).parent.parent.parent
NODE = shutil.which("node")
# A browser that follows the page's own code never causes these.
NOT_FOR_PEOPLE = {
    "bad_message",
    "bad_query",
    "bad_request",
    "length_required",
    "frame_too_large",
    "not_acceptable",
    "not_found",
    "method_not_allowed",
    "unknown_model",
    "unsupported_media_type",
    "upgrade_required",
}


@pytest.fixture
def node() -> str:
    if NODE is None:
        pytest.skip("no node: install Node.js 20 or later")
    return NODE


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_modules_do_what_their_unit_tests_say(node: str) -> None:
    said = run(node, "--test", "--test-reporter=tap", *map(str, sorted((ROOT / "tests" / "page").glob("*.test.js"))))
    assert "# fail 0" in said
    assert "# pass 0" not in said


@pytest.mark.parametrize("check", [("typescript/bin/tsc",), ("eslint/bin/eslint.js", "--max-warnings", "0", ".")])
def test_types_and_lint(node: str, check: tuple[str, ...]) -> None:
    program = ROOT / "node_modules" / check[0]
    if not program.exists():
        pytest.skip("no node_modules: run `npm ci`")
    run(node, str(program), *check[1:])


def test_every_error_that_people_meet_has_words(node: str) -> None:
    module = "import('./preprocess_gateway/page/js/problems.js')"
    words = set(
        json.loads(run(node, "--eval", f"{module}.then(m => console.log(JSON.stringify(Object.keys(m.WORDS))))"))
    )
    codes = {error.code for error in error_table()} - {OTHER_CODE}
    assert codes - words - NOT_FOR_PEOPLE == set()
