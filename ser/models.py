"""`ser models`: what a model store holds, and which version answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ser.output import StoreCommands, fail, output_folder
from ser.servers import ServerOptions, with_servers

if TYPE_CHECKING:
    from speech_emotion.store.base import Store, StoreConfig
    from speech_emotion.store.sync import Copy

app = typer.Typer(
    cls=StoreCommands,
    help="Look at a model store, and decide which version answers. The store is a folder, s3://... or gs://...",
    epilog="Exit codes: 0 done, 1 the store does not exist, or cannot be read or written, 2 wrong usage, "
    "3 no such version or model, 4 a label or a rollback needs the version, 5 another process changed the store "
    "first, 6 a model server does not serve the version, 8 the version cannot be loaded or answered wrongly: it was "
    "not published.",
    no_args_is_help=True,
)
StoreOption = Annotated[
    str, typer.Option("--store", envvar="PIPELINE_STORE", help="Folder of the model store, or its s3:// or gs:// URL.")
]
Model = Annotated[str, typer.Option("--name", envvar="PIPELINE_NAME", help="Name of the model in the store.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Version = Annotated[int, typer.Argument(min=1, help="Number of the version.")]
NAME = "speech_emotion"


@app.command("list")
def list_(store: StoreOption = "models", name: Model = NAME, as_json: AsJson = False) -> None:
    """List the versions of a model with their labels, oldest first, and labels whose version is not there."""
    from speech_emotion.store.labels import dangling

    opened = _open(store, name)
    config = opened.read_config()
    gone = dangling(opened, config, name)
    rows = [_row(opened, config, name, number) for number in opened.versions(name)]
    history = [vars(move) for move in config.history if move.model == name]
    if as_json:
        typer.echo(json.dumps({"model": name, "versions": rows, "dangling": gone, "history": history}))
    else:
        _table(f"{name} in {store}", rows, gone)


@app.command()
def show(version: Version, store: StoreOption = "models", name: Model = NAME, as_json: AsJson = False) -> None:
    """Show one version: its labels, its files and its card."""
    opened = _open(store, name)
    opened.require(name, version)
    manifest = opened.manifest(name, version)
    text = opened.read(name, version, "assets.extra/model_card.json")
    page = opened.read(name, version, "assets.extra/model_card.md")
    row = _row(opened, opened.read_config(), name, version)
    if as_json:
        files = {path: vars(file) for path, file in manifest.files.items()} if manifest else None
        typer.echo(json.dumps({**row, "files": files, "card": _card(text)}))
    else:
        _table(f"{name} in {store}", [row])
        typer.echo(
            page.decode(errors="replace") if page else "No card beside the model: call its signature `describe`."
        )


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Folder of the SavedModel.")],
    store: StoreOption = "models",
    name: Model = NAME,
    rehearsal: Annotated[
        bool,
        typer.Option("--rehearsal/--no-rehearsal", help="Load the version on a model server of its own first."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Copy a SavedModel into the store as the next version, without a label.

    It is first loaded on a model server of its own, which replays the golden set if the version has one: every model
    server of the store would try to load a broken version.
    """
    from speech_emotion.store.publish import publish as bring_in

    opened = _open(store)
    if rehearsal:
        _rehearse(folder, name)
    number = bring_in(opened, name, folder)
    _say(as_json, f"{name}: version {number}", model=name, version=number)


@app.command()
@with_servers
def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="Number of the version; default: the canary.")] = None,
    store: StoreOption = "models",
    name: Model = NAME,
    *,
    servers: ServerOptions,
    as_json: AsJson = False,
) -> None:
    """Move the label `stable` to a version, once every server serves it."""
    from speech_emotion.store import labels

    opened = _open(store, name)
    _moved(labels.promote(opened, name, version, servers=servers.chosen()), as_json)


@app.command()
@with_servers
def canary(
    version: Annotated[int | None, typer.Argument(min=1, help="Number of the version.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Remove the label.")] = False,
    store: StoreOption = "models",
    name: Model = NAME,
    *,
    servers: ServerOptions,
    as_json: AsJson = False,
) -> None:
    """Move the label `canary` to a version, once every server serves it, or remove it with --off."""
    from speech_emotion.store import labels
    from speech_emotion.store.servers import NO_SERVERS

    if off is (version is not None):
        raise typer.BadParameter("name a version, or use --off")
    opened = _open(store, name)
    asked = NO_SERVERS if off else servers.chosen()
    _moved(labels.set_canary(opened, name, version, servers=asked), as_json)


@app.command()
@with_servers
def rollback(
    store: StoreOption = "models",
    name: Model = NAME,
    *,
    servers: ServerOptions,
    as_json: AsJson = False,
) -> None:
    """Move the label `stable` back to the version that had it before."""
    from speech_emotion.store import labels

    opened = _open(store, name)
    _moved(labels.rollback(opened, name, servers=servers.chosen()), as_json)


@app.command()
def prune(
    version: Annotated[int | None, typer.Argument(min=1, help="Delete this version only.")] = None,
    store: StoreOption = "models",
    name: Model = NAME,
    grace_s: Annotated[
        float, typer.Option(min=0, help="Keep a version for N seconds after it was published or lost its label.")
    ] = 3600.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete without asking. With --json, nothing is deleted without it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete versions that are not needed: all except stable, its predecessor, canary and recent ones."""
    from speech_emotion.store import prune as pruning

    opened = _open(store, name)
    unasked = as_json and not (dry_run or yes)  # a script cannot be asked
    dry_run = dry_run or unasked
    if version is None:
        planned = pruning.prune(opened, name, grace_s=grace_s, dry_run=True).removed
    else:
        pruning.require_unused(opened, name, version)
        planned = [version]
    if planned and not (dry_run or yes):
        typer.confirm(f"Delete {', '.join(map(str, planned))} of {name} in {store}?", abort=True)
    swept, removed = 0, planned
    if not dry_run:
        swept = opened.sweep(name, grace_s)  # first: a lock that was left behind would keep the removal waiting
        if version is None:
            removed = pruning.remove_all(opened, name, planned)
        else:
            pruning.remove(opened, name, version)
    text = f"deleted: {', '.join(map(str, removed)) or 'none'}" + (" (not really: --dry-run)" if dry_run else "")
    _say(as_json, text, model=name, removed=removed, swept=swept, dry_run=dry_run)
    if unasked:
        typer.echo("nothing is deleted: --json deletes with --yes only", err=True)


@app.command()
def sync(
    source: Annotated[str, typer.Argument(help="Model store to copy from: s3://, gs:// or a folder.")],
    folder: Annotated[Path, typer.Argument(callback=output_folder, help="Folder that a model server reads.")],
    every_s: Annotated[
        float, typer.Option(min=0, help="Look for changes every N seconds, also after a failure; 0 copies once.")
    ] = 0.0,
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="Bytes that the folder may hold; default: no limit.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(help="Name of a model that the copy must have to be whole; may be repeated.")
    ] = None,
    status_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="With --every-s: port that answers /readyz (503 before the first whole copy) "
            "and /metrics; 0: any free one; default: none.",
        ),
    ] = None,
    status_host: Annotated[
        str, typer.Option(help="Address of the status port; empty: every address of this machine.")
    ] = "127.0.0.1",
) -> None:
    """Copy a store to a folder: whole, verified versions first, then the labels, deletions last."""
    from speech_emotion.store.sync import Copy

    copy = Copy(folder, max_bytes=max_bytes)
    if every_s:
        _follow(source, copy, every_s, require or [], (status_host, status_port))
        return
    for change in copy.changes(opened := _open(source)):
        typer.echo(change)
    for name in copy.lacks(require or []):
        opened.require_model(name)


def _follow(source: str, copy: Copy, every_s: float, require: list[str], status: tuple[str, int | None]) -> None:
    """Keep the copy equal to the store until SIGTERM or Ctrl-C."""
    import signal
    import threading
    from contextlib import nullcontext

    from speech_emotion.store.follow import Follower

    def end(*_: object) -> None:
        raise SystemExit(0)  # a copy that is under way leaves nothing behind

    signal.signal(signal.SIGTERM, end)  # the first process of a container gets no signal that it does not handle

    def complain(message: str) -> None:
        fail(message)

    follower = Follower(lambda: _open(source), copy, models=require, say=typer.echo, complain=complain)
    host, port = status
    if port is None:
        serving: Any = nullcontext()
    else:
        from speech_emotion.store.exposition import served

        serving = served(host, port, follower, copy)
    with serving as bound:
        if bound is not None:
            typer.echo(f"status on port {bound}")
        follower.run(every_s, threading.Event())


def _open(location: str, name: str | None = None) -> Store:
    """The store, which must be there and have the model `name`, if one is given. Raises StoreError."""
    from speech_emotion.store.open import open_store

    store = open_store(location)
    if name is not None:
        store.require_model(name)
    return store


def _rehearse(folder: Path, name: str) -> None:
    from speech_emotion.store.publish import require_saved_model

    require_saved_model(folder)
    try:
        from training_pipeline.retraining.check import rehearse_any
    except ImportError as error:
        raise fail(f"the rehearsal needs the extra `training` ({error}); --no-rehearsal leaves it out") from None
    rehearse_any(folder, name)


def _card(text: bytes | None) -> Any:
    from speech_emotion.errors import StoreError

    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise StoreError(f"the card of the version cannot be read: {error}") from error


def _row(store: Store, config: StoreConfig, name: str, number: int) -> dict[str, Any]:
    manifest = store.manifest(name, number)
    return {
        "version": number,
        "labels": sorted(label for label, labelled in config.labels(name).items() if labelled == number),
        "created": manifest.created if manifest else None,
        "bytes": manifest.size if manifest else None,
        "sha256": manifest.digest if manifest else None,
    }


def _table(title: str, rows: list[dict[str, Any]], dangling: Mapping[str, int] | None = None) -> None:
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
    for label, number in sorted((dangling or {}).items()):
        table.add_row(str(number), f"[red]{label}[/]", "", "", "[red]not there[/]")
    Console().print(table)


def _moved(move: Any, as_json: bool) -> None:
    text = f"{move.model}: {move.label} {move.before or 'none'} -> {move.after or 'none'}"
    _say(as_json, text, **vars(move))


def _say(as_json: bool, text: str, **fields: Any) -> None:
    typer.echo(json.dumps(fields) if as_json else text)
