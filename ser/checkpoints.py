"""Folders in which an interrupted training finds what it had."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from training_pipeline.networks.registry import Network
from training_pipeline.training.train import Examples


@contextmanager
def checkpoints(named: Path | None, cache: Path, network: Network, examples: Examples, seed: int) -> Iterator[Path]:
    """The folder of this very training: under `named`, where it stays, or under `cache`, gone when all is done."""
    folder = (named or cache / "training") / _name(network, examples, seed)
    if any(folder.glob("**/*.npz")):
        typer.echo(f"going on from the checkpoints in {folder}", err=True)
    yield folder
    if named is None:
        shutil.rmtree(folder, ignore_errors=True)


def _name(network: Network, examples: Examples, seed: int) -> str:
    heard = hashlib.sha256("".join(f"{clip.path.stem} {clip.label} " for clip in examples.clips).encode())
    for feature in examples.features:
        heard.update(feature.data)
    return f"{network.name}-{network.spec.fingerprint[:8]}-{heard.hexdigest()[:8]}-{seed}"
