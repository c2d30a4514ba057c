"""The commands of docs/api.md, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from speech_emotion.samples import samples
from tests.support.gateway import Gateway

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
COMMANDS = re.findall(r"^curl .+$", PAGE, re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_every_command_is_answered(gateway: Gateway, tmp_path: Path) -> None:
    for name in ("sample.wav", "call.wav", "call.m4a"):
        (tmp_path / name).write_bytes(samples()[0].read())
    assert len(COMMANDS) >= 2
    for command in COMMANDS:
        words = shlex.split(command.partition(">")[0].replace("http://127.0.0.1:8080", gateway.url))
        done = subprocess.run([*words, "-sS", "--fail"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        if "/v1/recordings" in command:
            vtt = "text/vtt" in command
            assert done.stdout.startswith(b"WEBVTT\n") if vtt else b'"type": "summary"' in done.stdout.splitlines()[-1]
            continue
        body = json.loads(done.stdout)
        for each in body.get("results") or body.get("channels") or [body]:
            assert each["emotion"] in each["probabilities"]
        if "results" in body or "channels" in body:
            continue
        answer = body
        assert ("timeline" in answer) == ("timeline=true" in command)
        assert ("top=2" not in command) or len(answer["probabilities"]) == 2
    # The last command's answer to one clip is printed in the page, and a refusal after it.
    shown, refused = (json.loads(block) for block in re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)[:2])
    assert list(shown) == list(answer)
    assert list(shown["timeline"][0]) == list(answer["timeline"][0])
    problem = gateway.predict(PAGE.encode())
    assert {**problem.json(), "request_id": ""} == {**refused, "request_id": ""}
