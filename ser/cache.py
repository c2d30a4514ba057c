"""`ser cache`: what was computed and can be computed again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from training_pipeline.retraining.options import find

app = typer.Typer(
    help="Show or delete the caches below .cache: features, checkpoints and finished work.",
    no_args_is_help=True,
)

CACHE = Path(".cache")
_LIMIT = find("cache_max_bytes")
CACHE_MAX_BYTES: int = _LIMIT.default
CacheMaxBytes = Annotated[int, typer.Option(_LIMIT.flag, envvar=_LIMIT.variable, min=0, help=_LIMIT.text)]
Folder = Annotated[Path, typer.Option(help="Folder of the caches.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(folder: Folder = CACHE, as_json: AsJson = False) -> None:
    """Show how many entries each cache has, and their size."""
    from training_pipeline.cache import caches_below, entries_of

    sizes = {cache: [entry.size_bytes for entry in entries_of([cache])] for cache in caches_below(folder)}
    found = {f"{cache.folder}/{cache.entries}": {"entries": len(s), "bytes": sum(s)} for cache, s in sizes.items()}
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for name, size in found.items():
            typer.echo(f"{name}: {size['entries']} entries, {size['bytes']} bytes")


@app.command()
def prune(folder: Folder = CACHE, cache_max_bytes: CacheMaxBytes = CACHE_MAX_BYTES, as_json: AsJson = False) -> None:
    """Delete the least recently used entries until the limit is kept, or all of them with a limit of 0.

    Unfinished files of killed runs that are older than a day are deleted too. Files that a running training uses are
    kept. Recordings, downloads and finished models are not caches.
    """
    from training_pipeline import cache

    done = cache.prune(cache.caches_below(folder), cache_max_bytes)
    typer.echo(
        json.dumps(asdict(done))
        if as_json
        else f"{done.entries} entries deleted, {done.freed_bytes} bytes; {done.left_bytes} bytes are left"
        + (f"; {done.swept} unfinished files deleted" if done.swept else "")
    )
