"""The command line: the real server's flags, in both spellings; what is not built is said by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from model_server.flags import EXIT_CODE, IGNORED, NOT_BUILT, Flags, parse_flags
from tests.support.model_server import REPOSITORY

BASE = "--model_base_path=/models/m"


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ([BASE, "--port=9000"], "port", 9000),
        ([BASE, "--port", "9000"], "port", 9000),
        ([BASE], "port", 8500),
        ([BASE], "model_name", "default"),
        ([BASE], "allow_version_labels_for_unavailable_models", False),
        ([BASE, "--allow_version_labels_for_unavailable_models"], "allow_version_labels_for_unavailable_models", True),
        ([BASE, "--enable_model_warmup=false"], "enable_model_warmup", False),
        ([BASE, "--enable_model_warmup", "--port=1"], "enable_model_warmup", True),
        ([BASE, "--file_system_poll_wait_seconds=-1"], "file_system_poll_wait_seconds", -1),
        (["--model_config_file=/models/models.config"], "model_config_file", "/models/models.config"),
    ],
)
def test_flags_are_read(arguments: list[str], name: str, value: object) -> None:
    assert getattr(parse_flags(arguments), name) == value


def test_harmless_flags_change_nothing() -> None:
    assert parse_flags([BASE, *(f"--{name}={value}" for name, value in IGNORED.items())]) == Flags(
        model_base_path="/models/m"
    )


@pytest.mark.parametrize("name", NOT_BUILT)
def test_a_flag_that_is_not_built_is_refused_by_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_flags([BASE, f"--{name}=8"])
    assert ended.value.code == EXIT_CODE
    assert f"--{name} is a flag of TensorFlow Serving that is not built" in capsys.readouterr().err


def test_a_flag_that_is_not_built_may_be_switched_off() -> None:
    assert parse_flags([BASE, "--enable_profiler=false"]).model_base_path == "/models/m"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of --model_base_path and --model_config_file must be set"),
        ([BASE, "--prot=1"], "unrecognized arguments: --prot=1"),
        ([BASE, "--port=x"], "invalid int value: 'x'"),
        ([BASE, "--port=70000"], "--port=70000 is not a port"),
        ([BASE, "--rest_api_port=8500"], "--rest_api_port cannot be the same as --port"),
        ([BASE, "--grpc_max_threads=1"], "--grpc_max_threads must be at least 2"),
        ([BASE, "--port=0"], "--port=0 needs --grpc_socket_path"),
        ([BASE, "--enable_model_warmup=maybe"], "'maybe' is neither true nor false"),
        ([BASE, "--model_config_f=/x"], "unrecognized arguments"),
        (
            [BASE, *(f"--tensorflow_{kind}_parallelism=2" for kind in ("session", "intra_op", "inter_op"))],
            "not all of them",
        ),
    ],
)
def test_bad_flags_end_with_a_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_flags(arguments)
    assert ended.value.code == EXIT_CODE
    assert message in capsys.readouterr().err


def test_help_brings_in_no_tensorflow() -> None:
    probe = "import sys, model_server.__main__; print('tensorflow' in sys.modules, 'grpc' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", probe], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
    shown = subprocess.run(
        [sys.executable, "-m", "model_server", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "--model_config_file_poll_wait_seconds" in shown.stdout
