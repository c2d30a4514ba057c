"""How commands end, whatever is missing."""

from __future__ import annotations

import pytest
import typer

from ser.output import failing


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, failing({}):
        raise ModuleNotFoundError("No module named 'keras'", name="keras")
    assert ended.value.exit_code == 1
    said = "this command needs keras, which is not installed here; in a clone: make install\n"
    assert capsys.readouterr().err == said


def test_a_module_of_the_project_that_is_missing_is_a_fault_with_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError), failing({}):
        raise ModuleNotFoundError("No module named 'ser.nothing'", name="ser.nothing")
