from __future__ import annotations

import subprocess
import sys

from tests.support.notices import assert_no_notices

DURING = """
import os
from speech_emotion.notices import without_notices
with without_notices():
    os.write(2, b"I0000 00:00:1 port.cc:153] oneDNN custom operations are on.\\n")
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
    os.write(2, b"E0000 00:00:1 op_kernel.cc:1] the op failed\\n")
    {last}
os.write(2, b"afterwards\\n")
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_notices_are_dropped_and_errors_get_through() -> None:
    done = run(DURING.format(last=""))
    assert (done.returncode, done.stderr) == (0, "E0000 00:00:1 op_kernel.cc:1] the op failed\nafterwards\n")


def test_the_last_words_of_a_process_that_is_aborted_get_through() -> None:
    done = run(DURING.format(last="os.write(2, b'F0000 no AVX\\n'); os.abort()"))
    assert done.returncode < 0
    assert done.stderr.splitlines()[-1] == "F0000 no AVX"


def test_an_exception_leaves_standard_error_as_it_was() -> None:
    done = run(DURING.format(last="raise ImportError('not installed')"))
    assert done.stderr.splitlines()[-1] == "ImportError: not installed"


def test_without_a_standard_error_nothing_fails() -> None:
    code = "import os; os.close(2)\nfrom speech_emotion.notices import without_notices\n"
    assert run(code + "with without_notices(): print('in')").stdout == "in\n"


def test_tensorflow_is_imported_quietly_and_its_own_errors_are_seen() -> None:
    looked_for = "import importlib.util, training_pipeline\nimportlib.util.find_spec('tensorflow')\n"
    used = "import tensorflow as tf, os\nprint(tf.constant(1) + 1, os.environ.get('TF_CPP_MIN_LOG_LEVEL'))\n"
    used += "tf.linalg.inv(tf.zeros((2, 2)))"
    done = run(looked_for + used)
    assert "tf.Tensor(2" in done.stdout
    assert "None" in done.stdout  # servers that are started from here say what they say
    assert "Input is not invertible" in done.stderr
    assert_no_notices(done.stdout, done.stderr)
