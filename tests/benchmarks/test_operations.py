from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import operations
from tests.support import savedmodels


def test_the_time_of_a_model_is_summed_up_by_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = savedmodels.write_linear(tmp_path / "1", "{}", ("joy", "sorrow"), bins=3)
    monkeypatch.setitem(operations.MODELS, "tiny", folder)
    rows = operations.measure("tiny", 0.1).rows
    names = [str(row["operation"]) for row in rows]
    assert names[-1] == "everything else"
    assert any("MatMul" in name for name in names)
    assert sum(float(str(row["share"]).rstrip("%")) for row in rows) == pytest.approx(100, abs=1)
