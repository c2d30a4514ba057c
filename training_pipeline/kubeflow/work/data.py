"""Work on recordings: validation and features. It imports no TensorFlow, which would take longer than a small set."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from training_pipeline.data.dataset import DataSet
from training_pipeline.data.validate import validate as check_data
from training_pipeline.errors import DataError
from training_pipeline.jobs import check_name, resolve
from training_pipeline.kubeflow.work.given import data_set, model_servers, write
from training_pipeline.retraining.features import gather_features, make_features
from training_pipeline.retraining.options import OptionError


def validate(data: str, model: str, servers: str, label: str, timeout_s: float, report: str) -> tuple[str, str]:
    """The data set's digest, and what is wrong with it (empty: nothing), which stops the task after this one.

    A task that fails leaves no report behind, so this one succeeds. Model, servers and certificates are looked at
    first: what is wrong with them would come up after hours of training. Raises SpeechEmotionError for these.
    """
    check_name(model)
    model_servers(servers, label, timeout_s).require_reachable()
    try:
        with tempfile.TemporaryDirectory() as copy:
            found = check_data(data_set(data, Path(copy)))
        write(report, found.to_markdown())
        found.require()
    except DataError as error:
        if not Path(report).is_file():
            write(report, f"# The data set cannot be read\n\n{error}\n")
        return "", str(error)
    return found.digest, ""


def features(
    data: str, digest: str, findings: str, model: str, shard: int, shards: int, cpu: str, examples: str
) -> None:
    """See `make_features`. Raises DataError for a set that is not fit, or not the one that was validated."""
    with tempfile.TemporaryDirectory() as copy:
        job = resolve(model, validated(data, Path(copy), digest, findings), measured=True)
        make_features(job, Path(examples), workers=workers(cpu), shard=shard, shards=shards)


def gather(shards: Sequence[str], examples: str) -> None:
    """See `gather_features`."""
    gather_features([Path(shard) for shard in shards], Path(examples))


def validated(data: str, copy: Path, digest: str, findings: str) -> DataSet:
    """The data set that `validate` saw. Raises DataError."""
    if findings:
        raise DataError(f"{findings}; the report of `validate` has the details")
    read = data_set(data, copy)
    if read.digest != digest:
        raise DataError(f"{data} has changed since it was validated")
    return read


def workers(cpu: str) -> int:
    """Processes for a CPU request (`2`, `1.5`, `500m`): more would take other pods' time. Raises OptionError."""
    number, thousandths, _ = cpu.partition("m")
    try:
        return max(1, ceil(float(number) / (1000 if thousandths else 1)))
    except (ValueError, OverflowError):
        raise OptionError(f"cpu is {cpu!r}; it must be CPUs such as 2, 1.5 or 500m") from None
