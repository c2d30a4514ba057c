"""How the servers of `ser serve` are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from ser.serve import stop
from tests.support.waiting import until

STUBBORN = "import signal, sys, time; signal.signal(15, 1); open(sys.argv[1], 'w').close(); time.sleep(300)"


def test_a_second_interrupt_leaves_no_server_behind(tmp_path: Path) -> None:
    stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN, str(tmp_path / "begun")])
    plain = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    until(lambda: (tmp_path / "begun").exists())
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    stop({"model server": plain, "gateway": stubborn})
    assert (stubborn.returncode, plain.returncode) == (-signal.SIGKILL, -signal.SIGTERM)
