"""What versions cost to serve: size, and time on one thread, as `python -m benchmarks.models` writes it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speech_emotion.invalid import first_fault
from training_pipeline.errors import DataError


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Times(_Frozen):
    """Of many calls."""

    median_ms: float = Field(gt=0)
    best_ms: float = Field(gt=0)


class Cost(_Frozen):
    """Of one version, for the clip of the measurement."""

    size_bytes: int = Field(gt=0)
    """Every file of the version."""
    loaded_bytes: int = Field(gt=0)
    """Without warm-up, golden set, card and manifest, none of which a server keeps in memory."""
    parameters: int | None = Field(gt=0)
    """Of its card; none: the card does not say."""
    windows: int = Field(gt=0)
    """Model inputs that the clip makes, answered in one batch."""
    features: Times
    """Samples to features."""
    model: Times
    """`serving_default`: features to probabilities."""
    real_time_factor: float = Field(gt=0)
    """Seconds of computing, features and model (medians), for a second of the clip."""

    @property
    def total_ms(self) -> float:
        """Features and model, medians."""
        return self.features.median_ms + self.model.median_ms


class Costs(_Frozen):
    """Of versions that were measured by turns in one run."""

    machine: str
    """Date, revision, processor, software."""
    clip_s: float = Field(gt=0)
    calls: int = Field(gt=0)
    """Of each version."""
    cpu_share: float = Field(gt=0)
    """CPU time to wall time of the run: 1 means one thread that never waited for a core."""
    models: dict[str, Cost]


def read_costs(path: Path) -> Costs:
    """Read `cost.json`. Raises DataError for anything else."""
    try:
        return Costs.model_validate_json(path.read_bytes())
    except ValidationError as error:
        where, fault = first_fault(error)
        raise DataError(f"{path}: not costs of models, {'.'.join(map(str, where))}: {fault}") from error


def write_costs(path: Path, costs: Costs) -> None:
    """Write what `read_costs` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(costs.model_dump_json(indent=1) + "\n")
