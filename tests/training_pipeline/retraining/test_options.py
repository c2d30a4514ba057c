"""An option is declared once: the command line, Kubeflow, the chart and the docs follow from that."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from ser.main import app
from ser.options import with_options
from speech_emotion.channel import TlsError
from training_pipeline.kubeflow import components
from training_pipeline.kubeflow.parameters import CLAIMS, BackendError, parse, run_name, signature, types_of
from training_pipeline.kubeflow.pipeline import Shape
from training_pipeline.retraining.options import Default, Label, OptionError, Options, declared, options_table
from training_pipeline.retraining.run import run

ROOT = Path(__file__).parents[3]
OPTIONS = list(declared())
COMPILED: dict[str, Any] = next(yaml.safe_load_all((ROOT / "k8s" / "pipeline.yaml").read_text()))
TYPES = types_of(COMPILED)
GIVEN: dict[str, Any] = {"data": ("d",), "servers": ("s:1",)}


def taken(*arguments: str, env: dict[str, str] | None = None) -> Options:
    """The options that a command with these arguments gets."""
    seen: list[Options] = []
    own = typer.Typer()

    @own.command()
    @with_options
    def command(options: Options) -> None:
        seen.append(options)

    done = CliRunner().invoke(own, arguments, env=env)
    assert done.exit_code == 0, done.output
    return seen[0]


def test_every_option_says_what_it_is_and_has_a_name_of_its_own() -> None:
    assert all(option.text.endswith(".") for option in OPTIONS)
    assert len({option.flag for option in OPTIONS}) == len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_the_command_line_and_the_environment_give_the_same_options() -> None:
    arguments = ["--data", "d", "--server", "a:1", "--server", "b:2", "--margin", "0.1", "--folds", "0", "--offline"]
    env = {"DATA": "d", "SERVER": "a:1 b:2", "MARGIN": "0.1", "FOLDS": "0", "OFFLINE": "1"}
    expected = Options(data=("d",), servers=("a:1", "b:2"), margin=0.1, folds=0, offline=True)
    assert taken(*arguments) == expected
    assert taken(env={f"PIPELINE_{name}": value for name, value in env.items()}) == expected


def test_several_data_sets_are_options_and_parts_of_a_variable() -> None:
    given = ["--data", "a", "--data", "b", "--offline"]
    assert taken(*given) == taken("--offline", env={"PIPELINE_DATA": "a b"}) == Options(data=("a", "b"), offline=True)
    for nothing in ((), ("a", "")):
        with pytest.raises(OptionError, match="data is empty"):
            Options(data=nothing, offline=True)


def test_what_is_not_given_is_the_declared_default() -> None:
    assert taken("--data", "d", "--offline") == Options(data=("d",), offline=True)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_help_of_run_shows_every_option(option: Any) -> None:
    shown = CliRunner().invoke(app, ["pipeline", "run", "--help"], env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"})
    assert option.flag in shown.stdout
    assert option.variable in shown.stdout


@pytest.mark.parametrize(
    ("name", "value"), [("margin", 1.5), ("margin", -1.5), ("confidence", -0.1), ("folds", -1), ("folds", 1)]
)
def test_a_value_out_of_bounds_is_refused_in_a_sentence(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"{name} is {value}"):
        Options(**{**GIVEN, name: value})
    done = CliRunner().invoke(app, ["pipeline", "run", "--data", "d", "--offline", f"--{name}", str(value)])
    assert done.exit_code == 2


def test_a_label_that_no_server_backs_is_refused() -> None:
    for label in (Label.canary, Label.stable):
        with pytest.raises(OptionError, match="--offline"):
            Options(data=("d",), label=label)
    assert Options(data=("d",), label=Label.none).servers == ()


def test_the_pipelines_parameters_are_the_options_and_what_kubernetes_needs() -> None:
    parameters = signature(**Shape().defaults).parameters
    shared = {option.name: option for option in OPTIONS if option.kubeflow is not Default.HERE_ONLY}
    assert set(parameters) == {"image", "cpu", "memory", *CLAIMS, *shared}
    for name, option in shared.items():
        assert parameters[name].annotation is (option.kind if option.kind in (int, float) else str)
        if option.kubeflow is Default.SAME:
            assert parameters[name].default == option.default


def test_the_compiled_pipeline_has_these_parameters() -> None:
    compiled = COMPILED
    inputs = compiled["root"]["inputDefinitions"]["parameters"]
    expected = signature(**Shape().defaults).parameters
    assert {name: shown["defaultValue"] for name, shown in inputs.items()} == {
        name: parameter.default for name, parameter in expected.items()
    }


def test_a_component_takes_an_option_by_its_name_and_type() -> None:
    # Only a component's own source reaches its container, so its signature is written out: this holds the two together.
    parameters = signature(**Shape().defaults).parameters
    named = [getattr(components, name) for name in dir(components)]
    taken_by = [
        inspect.signature(component.python_func).parameters for component in named if hasattr(component, "python_func")
    ]
    assert len(taken_by) == 5
    shared = [(one, parameters[name]) for taken in taken_by for name, one in taken.items() if name in parameters]
    assert {one.name for one, _ in shared} == set(parameters) - {"image", "memory", *CLAIMS}
    assert [one for one, parameter in shared if one.annotation is not parameter.annotation] == []


def test_parameters_of_a_run_have_the_types_that_the_pipeline_declares() -> None:
    pairs = ["servers=", "name=123", "licence=CC BY: 4.0", "seed=3", "data_name=2026", "data_pvc=7", "cpu=2"]
    assert parse(pairs, TYPES) == {
        "servers": "",
        "name": "123",
        "licence": "CC BY: 4.0",
        "seed": 3,
        "data_name": "2026",
        "data_pvc": "7",
        "cpu": "2",
    }
    assert parse(["margin=1"], TYPES)["margin"] == 1.0


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("colour=red", "no parameter colour: there are cache_max_bytes, confidence, cpu"),
        ("seed=many", "seed is 'many'; it must be a whole number"),
        ("seed=1.5", "seed is '1.5'; it must be a whole number"),
        ("margin=much", "margin is 'much'; it must be a number"),
        ("confidence=2", "confidence is 2.0; it must be at least 0 and at most 1"),
        ("offline=1", "no parameter offline"),
    ],
)
def test_a_parameter_that_a_run_cannot_have_is_refused_before_it_is_submitted(pair: str, said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        parse([pair], TYPES)


def test_a_pipeline_of_another_shape_declares_its_own_parameters() -> None:
    types = {"colour": "STRING", "depth": "NUMBER_INTEGER", "deep": "BOOLEAN", "sizes": "LIST", "seed": "STRING"}
    pairs = ["colour=7", "depth=3", "deep=true", "sizes=[1, 2]", "seed=one"]
    expected = {"colour": "7", "depth": 3, "deep": True, "sizes": [1, 2], "seed": "one"}
    assert parse(pairs, types) == expected
    with pytest.raises(OptionError, match="deep is 'yes'; it must be true or false"):
        parse(["deep=yes"], types)
    with pytest.raises(OptionError, match=r"sizes is .*; it must be JSON"):
        parse(["sizes=1, 2"], types)
    with pytest.raises(BackendError, match="name=value"):
        parse(["nonsense"], types)
    with pytest.raises(BackendError, match="not a compiled pipeline"):
        types_of({"apiVersion": "v1"})


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "head data"),
        ({"model": "ann", "data": "/data/ravdess"}, "ann ravdess"),
        ({"data": "/data/calls/manifest.csv, s3://bucket/nemo/"}, "head calls+nemo"),
        ({"data": "/data/2026.csv", "model": "edge"}, "edge 2026"),
        ({"data": "/data/ravdess", "data_name": "RAVDESS speech"}, "head RAVDESS speech"),
    ],
)
def test_a_run_is_called_by_its_model_its_data_and_the_time(given: dict[str, str], name: str) -> None:
    assert run_name(given, datetime(2026, 11, 28, 3, 5, 7, tzinfo=UTC)) == f"{name} 2026-11-28 03:05:07"


def test_the_chart_passes_only_options_that_there_are() -> None:
    template = (ROOT / "helm/speech-emotion/templates/retraining/_pod.tpl").read_text()
    passed = set(re.findall(r"- (--[a-z-]+)=", template))
    assert passed
    assert passed <= {option.flag for option in OPTIONS}


def test_certificates_that_cannot_be_used_are_said_before_anything_is_read(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    files = {"server_ca_file": absent, "work": tmp_path / "work"}
    for given, said in (
        (files, "absent.pem cannot be used for TLS"),
        ({"server_client_cert_file": absent}, "needs the CA file"),
    ):
        with pytest.raises(TlsError, match=said):
            run(Options(**{**GIVEN, "store": str(tmp_path), **given}))
    assert list(tmp_path.iterdir()) == []


def test_the_documentation_has_the_table_of_the_declarations() -> None:
    page = (ROOT / "docs" / "pipeline.md").read_text()
    assert options_table() in page, f"docs/pipeline.md is not current; its table is:\n\n{options_table()}"


def test_the_declarations_import_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import training_pipeline.retraining.options;"
        "print(*{name.split('.')[0] for name in sys.modules.keys() - before} - sys.stdlib_module_names)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"speech_emotion", "training_pipeline"}
