"""`ser models`: what a model store holds, and which version answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from speech_emotion.store.base import Store, StoreConfig

app = typer.Typer(
    help="Look at a model store, and decide which version answers. The store is a folder, s3://... or gs://...",
    epilog="Exit codes: 0 done, 1 the store cannot be read or written, 2 usage, 3 no such version, "
    "4 a label or a rollback needs the version, 5 somebody else was faster, 6 a model server does not serve it.",
    no_args_is_help=True,
)
StoreOption = Annotated[str, typer.Option("--store", envvar="PIPELINE_STORE", help="Folder, s3:// or gs:// URL.")]
Model = Annotated[str, typer.Option("--name", envvar="PIPELINE_NAME", help="Name of the model in the store.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Servers = Annotated[
    list[str] | None,
    typer.Option("--server", envvar="PIPELINE_SERVER", help="host:port of a model server; repeat for each one."),
]
Offline = Annotated[bool, typer.Option("--offline", help="No server runs on this store: ask none.")]
Timeout = Annotated[float, typer.Option("--timeout-s", min=0, help="Seconds to wait for every server.")]
Version = Annotated[int, typer.Argument(min=1)]
NAME = "speech_emotion"


@app.command("list")
def list_(store: StoreOption = "models", name: Model = NAME, as_json: AsJson = False) -> None:
    """Versions with their labels, oldest first."""
    with _store(store) as opened:
        config = opened.read_config()
        rows = [_row(opened, config, name, number) for number in opened.versions(name)]
        history = [vars(move) for move in config.history if move.model == name]
        if as_json:
            typer.echo(json.dumps({"model": name, "versions": rows, "history": history}))
        else:
            _table(f"{name} in {store}", rows)


@app.command()
def show(version: Version, store: StoreOption = "models", name: Model = NAME, as_json: AsJson = False) -> None:
    """One version: its labels, files, and its card."""
    with _store(store) as opened:
        opened.require(name, version)
        manifest = opened.manifest(name, version)
        text = opened.read(name, version, "assets.extra/model_card.json")
        page = opened.read(name, version, "assets.extra/model_card.md")
        row = _row(opened, opened.read_config(), name, version)
        if as_json:
            files = {path: vars(file) for path, file in manifest.files.items()} if manifest else None
            typer.echo(json.dumps({**row, "files": files, "card": json.loads(text) if text else None}))
        else:
            _table(f"{name} in {store}", [row])
            typer.echo(page.decode() if page else "No card beside the model: call its signature `describe`.")


@app.command()
def publish(folder: Path, store: StoreOption = "models", name: Model = NAME, as_json: AsJson = False) -> None:
    """Bring a SavedModel in as the next version; no label names it yet."""
    from speech_emotion.store.publish import publish as bring_in

    with _store(store) as opened:
        number = bring_in(opened, name, folder)
        _say(as_json, f"{name}: version {number}", model=name, version=number)


@app.command()
def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="Default: the canary.")] = None,
    store: StoreOption = "models",
    name: Model = NAME,
    server: Servers = None,
    offline: Offline = False,
    timeout_s: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Let `stable` name a version, once every server serves it."""
    from speech_emotion.store import labels

    with _store(store) as opened:
        _moved(
            labels.promote(opened, name, version, servers=_servers(server, offline), timeout_s=timeout_s),
            as_json,
        )


@app.command()
def canary(
    version: Annotated[int | None, typer.Argument(min=1)] = None,
    off: Annotated[bool, typer.Option("--off", help="No canary any more.")] = False,
    store: StoreOption = "models",
    name: Model = NAME,
    server: Servers = None,
    offline: Offline = False,
    timeout_s: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Let `canary` name a version, once every server serves it; or none with --off."""
    from speech_emotion.store import labels

    if off is (version is not None):
        raise typer.BadParameter("give a version, or --off")
    with _store(store) as opened:
        asked = () if off else _servers(server, offline)
        _moved(labels.set_canary(opened, name, version, servers=asked, timeout_s=timeout_s), as_json)


@app.command()
def rollback(
    store: StoreOption = "models",
    name: Model = NAME,
    server: Servers = None,
    offline: Offline = False,
    timeout_s: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Let `stable` name its predecessor again."""
    from speech_emotion.store import labels

    with _store(store) as opened:
        _moved(labels.rollback(opened, name, servers=_servers(server, offline), timeout_s=timeout_s), as_json)


@app.command()
def prune(
    version: Annotated[int | None, typer.Argument(min=1, help="Only this one.")] = None,
    store: StoreOption = "models",
    name: Model = NAME,
    grace_s: Annotated[
        float, typer.Option(min=0, help="Seconds that a version stays after it was published or lost its label.")
    ] = 3600.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete every version but stable, its predecessor, canary and the young; or the one that is named."""
    from speech_emotion.store import prune as pruning

    with _store(store) as opened:
        if version is None:
            planned = pruning.prune(opened, name, grace_s=grace_s, dry_run=True).removed
        else:
            pruning.require_unused(opened, name, version)
            planned = [version]
        if planned and not (dry_run or yes or as_json):
            typer.confirm(f"Delete {', '.join(map(str, planned))} of {name} in {store}?", abort=True)
        swept, removed = 0, planned
        if not dry_run:
            if version is None:
                removed = pruning.remove_all(opened, name, planned)
            else:
                pruning.remove(opened, name, version)
            swept = opened.sweep(name, grace_s)
        text = f"deleted: {', '.join(map(str, removed)) or 'none'}" + (" (not really)" if dry_run else "")
        _say(as_json, text, model=name, removed=removed, swept=swept, dry_run=dry_run)


@app.command()
def sync(
    source: Annotated[str, typer.Argument(help="Store to copy from, s3:// or gs:// mostly.")],
    folder: Annotated[Path, typer.Argument(help="Folder that a model server reads.")],
    every_s: Annotated[float, typer.Option(min=0, help="Seconds between looks; 0: once.")] = 0.0,
) -> None:
    """Bring a folder up to a store: whole, verified versions first, then labels."""
    import time

    from speech_emotion.errors import SpeechEmotionError
    from speech_emotion.store.sync import sync as mirror

    with _store(source) as opened:
        while True:
            try:
                for change in mirror(opened, folder):
                    typer.echo(change)
            except (SpeechEmotionError, OSError) as error:
                if not every_s:
                    raise
                typer.secho(str(error), fg=typer.colors.RED, err=True)
            if not every_s:
                return
            time.sleep(every_s)


@contextmanager
def _store(location: str) -> Iterator[Store]:
    """The opened store; a known error becomes one red line and its exit code."""
    from ser.output import failing
    from speech_emotion.store.open import open_store

    with failing():
        yield open_store(location)


def _servers(servers: list[str] | None, offline: bool) -> list[str]:
    if not servers and not offline:
        raise typer.BadParameter("name every model server with --server host:port, or say --offline: none is running")
    return servers or []


def _row(store: Store, config: StoreConfig, name: str, number: int) -> dict[str, Any]:
    manifest = store.manifest(name, number)
    return {
        "version": number,
        "labels": sorted(label for label, labelled in config.labels(name).items() if labelled == number),
        "created": manifest.created if manifest else None,
        "bytes": manifest.size if manifest else None,
        "sha256": manifest.digest if manifest else None,
    }


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for column in ("version", "labels", "created", "bytes", "SHA-256"):
        table.add_column(column)
    for row in rows:
        shown = ["" if value is None else str(value) for value in (row["created"], row["bytes"])]
        table.add_row(
            str(row["version"]), f"[green]{', '.join(row['labels'])}[/]", *shown, (row["sha256"] or "no manifest")[:12]
        )
    Console().print(table)


def _moved(move: Any, as_json: bool) -> None:
    text = f"{move.model}: {move.label} {move.before or 'none'} -> {move.after or 'none'}"
    _say(as_json, text, **vars(move))


def _say(as_json: bool, text: str, **fields: Any) -> None:
    typer.echo(json.dumps(fields) if as_json else text)
