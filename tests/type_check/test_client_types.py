from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_typical_use_of_the_client_is_well_typed() -> None:
    # `warn_unused_ignores`, of strict, fails it where a wrong call is not found.
    command = [sys.executable, "-m", "mypy", "--strict", str(HERE / "client.py")]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
