from __future__ import annotations

from pathlib import Path

import pytest

from training_pipeline.errors import DataError
from training_pipeline.evaluation.cost import Cost, Costs, Times, read_costs, write_costs

COST = Cost(
    size_bytes=1_500_000,
    loaded_bytes=1_234_000,
    parameters=235_000,
    windows=1,
    features=Times(median_ms=2.5, best_ms=2.0),
    model=Times(median_ms=4.5, best_ms=3.0),
    real_time_factor=0.002,
)
COSTS = Costs(machine="a machine", clip_s=3.5, calls=600, cpu_share=1.0, models={"edge": COST})


def test_costs_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "evaluation" / "cost.json"
    write_costs(path, COSTS)
    assert read_costs(path) == COSTS
    assert COST.total_ms == 7.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not costs of models"),
        ("{}", "machine: Field required"),
        (COSTS.model_dump_json().replace("4.5", "-4.5"), "models.edge.model.median_ms: Input should be greater than 0"),
        (COSTS.model_dump_json().replace("windows", "panes"), "models.edge.windows: Field required"),
    ],
)
def test_what_is_no_cost_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "cost.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_costs(path)
