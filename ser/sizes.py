"""`ser sizes`: the accuracy that a small data set brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ser.cache import CACHE, CACHE_MAX_BYTES, CacheMaxBytes
from ser.output import output_file, output_folder, writing
from training_pipeline.networks.names import HEAD

app = typer.Typer()
STRANGERS, PERSONAL = (100, 500, 2000), (10, 50, 200)


@app.command()
def sizes(
    data: Annotated[Path, typer.Option(help="The data set: a manifest (CSV), or a folder of CREMA-D or nEMO.")],
    clips: Annotated[
        list[int] | None,
        typer.Option(min=2, help="Train on N clips; repeat it. Default: 100, 500 and 2000; --personal: 10, 50, 200."),
    ] = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="Train on clips of one speaker, and test on the speaker's other clips.")
    ] = False,
    model: Annotated[
        list[str] | None, typer.Option(help="Train this model; repeat it. Default: head, as `ser train` does.")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Start `head` from this version, STORE/MODEL/VERSION. Default: the shipped one.")
    ] = None,
    test_clips: Annotated[int, typer.Option(min=1, help="Test on at most N clips of each speaker.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is random.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", callback=output_file, help="Write the figures here, as JSON."),
    ] = None,
    cache_max_bytes: CacheMaxBytes = CACHE_MAX_BYTES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a small data set of your own would bring, in accuracy and in seconds of CPU.

    Models are trained on sets of N clips and tested on speakers that they never heard. Every speaker of the data set
    is tested once, in three folds. The first row is the version that ships, without any clip of yours; it is left out
    if that version was trained on the data.
    """
    from ser.output import progress
    from speech_emotion.cpus import limit_threads

    limit_threads()  # before numpy and TensorFlow
    from training_pipeline.experiments.sizes import Sizes, measure_sizes, sizes_table

    output_folder(CACHE)
    asked = Sizes(
        data=data,
        sizes=sorted(set(clips or (PERSONAL if personal else STRANGERS))),
        models=model or [HEAD],
        cache=CACHE,
        cache_max_bytes=cache_max_bytes,
        personal=personal,
        test_clips=test_clips,
        seed=seed,
        start_from=start_from,
    )
    rows = measure_sizes(asked, progress)
    if output is not None:
        with writing(output):
            output.write_text(json.dumps(rows, indent=1) + "\n")
    typer.echo(json.dumps(rows) if as_json else sizes_table(rows))
