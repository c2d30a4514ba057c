"""`ser train`, `evaluate`, `eda` and what else works on data sets without a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ser.cache import CACHE, CACHE_MAX_BYTES, CacheMaxBytes
from ser.output import changed_files, fail, output_file, output_folder, writing

app = typer.Typer()

Data = Annotated[
    Path, typer.Option(envvar="RAVDESS_DIR", help="The data set: a manifest (CSV) or a folder of RAVDESS.")
]
DataSets = Annotated[
    list[Path],
    typer.Option(
        envvar="RAVDESS_DIR",
        help="A data set: a manifest (CSV), or a folder of RAVDESS, CREMA-D or nEMO; repeat it for several corpora.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is random.")]
Checkpoints = Annotated[
    Path | None,
    typer.Option(
        callback=output_folder,
        help="Keep checkpoints in this folder; by default they are in .cache/training, and deleted at the end.",
    ),
]


@app.command()
def synthetic(
    folder: Annotated[Path, typer.Argument(callback=output_folder, help="The folder to write to.")],
    speakers: Annotated[int, typer.Option(min=2, help="Number of speakers.")] = 6,
) -> None:
    """Write a small synthetic data set and print the path of its manifest."""
    from training_pipeline.data.synthetic import write_synthetic

    with writing(folder):
        path = write_synthetic(folder, speakers=speakers)
    typer.echo(path)


@app.command()
def manifest(
    folder: Annotated[
        Path, typer.Argument(help="A folder of RAVDESS in any nesting, of CREMA-D or nEMO, or what a plug-in reads.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", callback=output_file, help="The CSV file to write.")] = Path(
        "manifest.csv"
    ),
    reader: Annotated[
        str | None, typer.Option(help="The reader of data sets to use; default: the one that recognises the folder.")
    ] = None,
) -> None:
    """Write a manifest of a data set, to edit or to train on.

    What is known of a named corpus (the emotions that its labels can tell, licence, source) is written beside it.
    """
    from training_pipeline.data.clips import write_clips
    from training_pipeline.data.declared import path_beside, write_declared
    from training_pipeline.data.readers import read_data

    found = read_data(folder, reader)
    if not found.corpora and (beside := path_beside(output)).exists():
        raise fail(f"{beside} would be taken for what is known of this manifest: remove it, or choose another --output")
    with writing(output):
        write_clips(output, found.clips)
        if found.corpora:
            write_declared(output, found.corpora)
    typer.echo(f"{output}: {len(found.clips)} clips, {found.skipped} other files skipped")


@app.command()
def evaluate(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Evaluate this model, repeat it. Default: every model with kept predictions; with --retrain every one "
            "that can be trained but head. --retrain takes head and trials (MODEL/CHANGE), too."
        ),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train and test on --data instead of reading kept predictions.")
    ] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            envvar="RAVDESS_DIR",
            help="Train on this data set: a manifest (CSV), or a folder of RAVDESS, CREMA-D or nEMO; repeat it for "
            "several corpora.",
        ),
    ] = None,
    leave_one_corpus_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-corpus-out",
            help="With --retrain and several corpora, test each by a model of the others, too.",
        ),
    ] = False,
    version: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Measure this SavedModel on --data, which it was not trained on, and keep its answers in --output, in "
            "a folder of its own, MODEL@DIGEST.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", callback=output_folder, help="Write the results of --retrain or --version here."
        ),
    ] = Path("reports/evaluation"),
    random_split: Annotated[bool, typer.Option(help="Evaluate a split that shares speakers, too.")] = True,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="With --retrain, test worse recordings, of the first data set, and sounds without speech, too.",
        ),
    ] = False,
    robustness_clips: Annotated[
        int | None, typer.Option(min=1, help="Make at most N clips of each fold worse (default: all).")
    ] = None,
    seed: Seed = 0,
    checkpoints: Checkpoints = None,
    cache_max_bytes: CacheMaxBytes = CACHE_MAX_BYTES,
    predictions: Annotated[Path, typer.Option(help="Folder of the kept predictions.")] = Path("models/evaluation"),
    before: Annotated[
        str | None,
        typer.Option(help="Show what the other models gain over this one on corpora that neither was trained on."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(callback=output_folder, help="Draw pictures of the kept predictions into this folder."),
    ] = None,
    page: Annotated[
        list[Path] | None,
        typer.Option(
            callback=changed_files,
            help="Update the parts of this page that are marked `<!-- ser evaluate: PART -->`; repeat it.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure models on speakers that they have never heard.

    The figures come from kept predictions, or with --retrain from training: in five folds, or in one for each speaker
    if there are fewer. --retrain needs three speakers: one to test on, two to train and calibrate on. Of several
    corpora each has a row of its own, and with --leave-one-corpus-out another by models that never heard it.
    """
    from ser.output import progress
    from speech_emotion.cpus import limit_threads

    limit_threads()  # before numpy and TensorFlow
    from training_pipeline.experiments.evaluate import Evaluation
    from training_pipeline.experiments.evaluate import evaluate as evaluate_by_training

    if version is not None:
        if retrain or not data:
            raise fail("--version needs --data, and no --retrain")
        _hear(version, data, output, cache_max_bytes, as_json=as_json)
        return
    if not retrain:
        for name, given in (("--robustness", robustness), ("--leave-one-corpus-out", leave_one_corpus_out)):
            if given:
                raise fail(f"{name} needs --retrain, which trains the models that it measures")
        _show(predictions, model, before, pictures, page or [], as_json=as_json)
        return
    if before is not None:
        raise fail("--before is for kept predictions: leave out --retrain")
    if not data:
        raise fail("--retrain needs --data or RAVDESS_DIR")
    output_folder(CACHE)
    asked = Evaluation(
        data=data,
        output=output,
        cache=CACHE,
        cache_max_bytes=cache_max_bytes,
        models=model or (),
        seed=seed,
        random_split=random_split,
        leave_one_corpus_out=leave_one_corpus_out,
        robustness=robustness,
        robustness_clips=robustness_clips,
        checkpoints=checkpoints,
    )
    with writing(output):
        done = evaluate_by_training(asked, progress)
    typer.echo(done.to_json() if as_json else done.table())


def _hear(version: Path, data: list[Path], output: Path, cache_max_bytes: int, *, as_json: bool) -> None:
    import json

    from ser.output import progress
    from training_pipeline.experiments.heard import hear
    from training_pipeline.reports.across import across_table

    output_folder(CACHE)
    with writing(output):
        measured = hear(version, data, output, CACHE, cache_max_bytes, progress)
    typer.echo(json.dumps(measured) if as_json else across_table(measured))


def _show(
    folder: Path,
    models: list[str] | None,
    before: str | None,
    pictures: Path | None,
    pages: list[Path],
    *,
    as_json: bool,
) -> None:
    from training_pipeline.reports.kept import Kept

    wanted = [*models, before] if models and before is not None and before not in models else models
    kept = Kept.read(folder, wanted)
    if pictures is not None:
        kept.draw(pictures)
    for page in pages:
        kept.renew(page)
    typer.echo(kept.to_json() if as_json else kept.table(before))


@app.command()
def train(
    data: DataSets,
    export: Annotated[
        Path, typer.Option(callback=output_folder, help="Write the SavedModel to this folder, which must not exist.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Train this model. Default: head, a new classifier on a version's encoder.")
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="The version whose encoder `head` keeps, STORE/MODEL/VERSION. Default: the version that ships."
        ),
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="Put figures into the card, from the results.json of `ser evaluate`.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the data in the card.")] = "unknown",
    name: Annotated[str, typer.Option(help="Name of the data set in the card.")] = "unnamed",
    seed: Seed = 0,
    checkpoints: Checkpoints = None,
    cache_max_bytes: CacheMaxBytes = CACHE_MAX_BYTES,
) -> None:
    """Train a model on every clip and export it as a SavedModel that can be served.

    Clips whose `split` is `test` are left out.

    By default the encoder of the version that ships is kept, and a new classifier is trained for the emotions of
    --data, whatever they are called. This takes about a minute for a few hundred clips. A model of one speaker is
    calibrated on other clips of that speaker. An interrupted training resumes.
    """
    from ser.output import progress
    from speech_emotion.cpus import limit_threads

    limit_threads()  # before numpy and TensorFlow
    from training_pipeline.experiments.train import Training, train_on_all

    output_folder(CACHE)
    asked = Training(
        data=data,
        model=model,
        folder=export,
        cache=CACHE,
        cache_max_bytes=cache_max_bytes,
        seed=seed,
        evaluation=evaluation,
        data_name=name,
        licence=licence,
        checkpoints=checkpoints,
        start_from=start_from,
    )
    with writing(export):
        train_on_all(asked, progress)
    typer.echo(export)


@app.command()
def eda(
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=output_folder, help="Write the pictures to this folder.")
    ] = Path("reports/eda"),
) -> None:
    """Draw the clips of each emotion, their lengths, and a waveform, mel spectrogram and chromagram of each emotion."""
    from training_pipeline.experiments.explore import explore

    with writing(output):
        drawn = list(explore(data, output))
    for path in drawn:
        typer.echo(path)


@app.command()
def sounds(
    folders: Annotated[list[Path], typer.Argument(exists=True, file_okay=False, help="Folders of recordings.")],
    version: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A SavedModel; default: the stable version in models."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Use at most N files of each folder, chosen at random.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a version answers to recordings without a known emotion, such as noises: 3.5 s of each file."""
    import json

    from ser.models import NAME
    from training_pipeline.experiments.sounds import measure_sounds, sounds_table
    from training_pipeline.jobs import stable_version

    measured = measure_sounds(folders, version or stable_version(Path("models"), NAME), most)
    typer.echo(json.dumps(measured) if as_json else sounds_table(measured))
