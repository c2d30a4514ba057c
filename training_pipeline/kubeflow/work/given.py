"""What the components are given as text, as the pipeline's own types."""

from __future__ import annotations

import os
from pathlib import Path

from speech_emotion.channel import Tls
from speech_emotion.store.servers import ModelServers
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.mirror import local_copies
from training_pipeline.data.readers import read_all
from training_pipeline.errors import DataError
from training_pipeline.retraining.options import TLS_OPTIONS, OptionError, find

OFFLINE = "offline"
"""Stands for `servers` where none runs on the store."""


def data_set(data: str, copy: Path) -> DataSet:
    """The data sets of the parameter, which commas separate; those in a bucket go to `copy`. Raises DataError."""
    locations = _listed(data)
    if not locations:
        raise DataError("the parameter `data` names no data set")
    return read_all(local_copies(locations, copy))


def model_servers(servers: str, label: str, timeout_s: float) -> ModelServers:
    """The parameter's servers; their certificates come from a Secret, by way of the environment.

    Raises OptionError for a label without servers, unless `servers` is `offline`; TlsError.
    """
    if label != "none" and not _listed(servers):
        raise OptionError("a label needs `servers` (host:port, separated by commas), or `offline` if none is running")
    names = [] if servers.strip() == OFFLINE else _listed(servers)
    files = [os.environ.get(find(name).variable) for name in TLS_OPTIONS]
    tls = Tls.of(*(Path(file) if file else None for file in files))
    if tls is not None:
        tls.credentials()
    return ModelServers(names, tls, timeout_s)


def write(path: str, text: str) -> None:
    """Fill an artifact that is one file of text."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
