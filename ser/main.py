"""`ser`: serve and ask here, the other commands by name. Each command parses, calls one function, prints."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ser import cache, experiments, models, pipeline, samples, sizes
from ser.output import Commands, fail, output_file, output_folder
from speech_emotion.input_files import MAX_RECORDING_BYTES

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(models.app, name="models")
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(cache.app, name="cache")
app.add_typer(experiments.app)  # without a name: its commands stand beside those here
app.add_typer(sizes.app)


class FormatChoice(StrEnum):
    """How answers are printed or written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    VTT = "vtt"


def among(given: list[str] | None) -> list[str] | None:
    """The names in `--emotions`, which may be given several times. Raises BadParameter."""
    if not given:
        return None
    names = [name.strip() for name in ",".join(given).split(",")]
    if not all(names) or len(set(names)) < max(2, len(names)):
        raise typer.BadParameter("two or more different emotions are needed, such as happy,sad")
    return names


class ChannelChoice(StrEnum):
    """How the channels of a clip are answered."""

    MIX = "mix"
    SEPARATE = "separate"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ser {version('speech-emotion-serving')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Serve, query, train and roll out models that name the emotion in speech."""


@app.command()
def serve(
    store: Annotated[Path, typer.Option(help="Folder of the model store.")] = Path("models"),
    port: Annotated[
        int, typer.Option(envvar="GATEWAY_PORT", min=1, max=65_535, help="Port of the gateway and its page.")
    ] = 8080,
    probe_port: Annotated[
        int, typer.Option(envvar="GATEWAY_PROBE_PORT", min=1, max=65_535, help="Port of probes and metrics.")
    ] = 9090,
    model_server_port: Annotated[
        int, typer.Option(envvar="MODEL_SERVER_PORT", min=1, max=65_535, help="Port of the model server (gRPC).")
    ] = 8500,
    sample: Annotated[
        Path, typer.Option(callback=output_file, help="Write a recording to try the service with to this file.")
    ] = Path("sample.wav"),
    model: Annotated[
        list[str] | None,
        typer.Option(help="Serve this model (default: all); repeat it for several. The first is the default."),
    ] = None,
) -> None:
    """Run a model server and a gateway on this machine until Ctrl-C."""
    from ser import serve as serving
    from ser.samples import write_recording

    write_recording(None, sample)
    try:
        serving.serve(
            store,
            models=model or (),
            port=port,
            probe_port=probe_port,
            model_server_port=model_server_port,
            sample=sample,
        )
    except serving.ServeError as error:
        raise fail(str(error)) from None


@app.command()
def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="FILE|DIR|-...", help="Clips, folders that are searched for clips, or - for stdin."),
    ],
    url: Annotated[
        str, typer.Option(envvar="SER_URL", help="URL of the gateway; without a scheme it is http://.")
    ] = "http://127.0.0.1:8080",
    local: Annotated[
        bool, typer.Option("--local", help="Use no gateway: start a model server on --store for as long as this runs.")
    ] = False,
    store: Annotated[Path, typer.Option(help="Folder of the model store that --local uses.")] = Path("models"),
    model: Annotated[
        str | None, typer.Option(help="Use the model of this name (default: the default model of the service).")
    ] = None,
    form: Annotated[
        FormatChoice | None,
        typer.Option(
            "--format",
            help="Print a table (the default), one JSON object a line, CSV, or WebVTT: captions for a player.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Append answers to this file (JSON lines, or CSV if it ends in .csv), and skip clips that it answers. "
            "With --format vtt: write a file of captions for each clip to this folder, and skip clips that have one.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Send N clips at once.")] = 3,
    top: Annotated[
        int | None, typer.Option(min=1, help="Return only the N most probable emotions (default: all).")
    ] = None,
    emotions: Annotated[
        list[str] | None,
        typer.Option(
            callback=among, help="Answer with one of these emotions alone, separated by commas (default: any)."
        ),
    ] = None,
    timeline: Annotated[bool, typer.Option(help="Include the emotion of each window in JSON.")] = False,
    channels: Annotated[
        ChannelChoice,
        typer.Option(help="Mix the channels of a clip, or answer each separately, as the sides of a call."),
    ] = ChannelChoice.MIX,
    track: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Use the Nth audio track of each clip (default: its default track, or the next that is not silent).",
        ),
    ] = None,
    deadline_s: Annotated[
        float, typer.Option(min=0.1, max=300, help="Give up on a clip after N seconds, retries included.")
    ] = 30.0,
    max_bytes: Annotated[
        int,
        typer.Option(min=1, max=2**40, help="Refuse larger files without reading them."),
    ] = MAX_RECORDING_BYTES,
) -> None:
    """Predict the emotion of clips and of long recordings.

    A file above 16 MiB, or one that is too long for a clip (by default more than a minute), is answered as a recording:
    it has a progress bar, and segments in JSON.

    Exit codes: 0 every clip was answered, 1 some failed, 2 wrong usage, 3 the service is away.
    """
    from ser import predict as predicting
    from ser.outcomes import AskOptions

    chosen = {*([form.value] if form else []), *(["json"] if as_json else []), *(["csv"] if as_csv else [])}
    if len(chosen) > 1:
        raise typer.BadParameter(f"--format {' and '.join(sorted(chosen))} exclude each other")
    shown = predicting.FORMATS[chosen.pop()] if chosen else "table"
    (output_folder if shown == "vtt" else output_file)(output)
    request = predicting.Request(
        inputs=inputs,
        url=None if local else url,
        store=store,
        form=shown,
        output=output,
        deadline_s=deadline_s,
        options=AskOptions(
            top=top,
            emotions=tuple(emotions) if emotions else None,
            timeline=timeline,
            model=model,
            channels=channels.value,
            track=track,
            jobs=jobs,
            max_bytes=max_bytes,
            as_recordings=shown == "vtt",
        ),
    )
    raise typer.Exit(predicting.run(request))


class EncodingChoice(StrEnum):
    """What samples without a header are."""

    S16 = "pcm_s16le"
    F32 = "pcm_f32le"
    MULAW = "mulaw"


@app.command()
def listen(
    source: Annotated[
        str | None, typer.Argument(metavar="-", help="Read samples from standard input (default: the microphone).")
    ] = None,
    url: Annotated[
        str, typer.Option(envvar="SER_URL", help="URL of the gateway; without a scheme it is http://.")
    ] = "http://127.0.0.1:8080",
    rate: Annotated[int, typer.Option(min=1, max=768_000, help="Sample rate in Hz.")] = 16_000,
    channels: Annotated[int, typer.Option(min=1, max=64, help="Number of channels, which are mixed into one.")] = 1,
    encoding: Annotated[EncodingChoice, typer.Option(help="Encoding of standard input.")] = EncodingChoice.S16,
    stride_s: Annotated[
        float | None, typer.Option(min=0.05, max=60, help="Seconds between two windows (default: the model's own).")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Return only the N most probable emotions (default: all).")
    ] = None,
    emotions: Annotated[
        list[str] | None,
        typer.Option(
            callback=among, help="Answer with one of these emotions alone, separated by commas (default: any)."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Use the model of this name (default: the default model of the service).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Process live speech from the microphone or a pipe, and print its emotion window by window.

    Ctrl-C ends the recording.
    Exit codes: 0 all was answered, 1 the stream failed, 2 wrong usage, 3 the service is away.
    """
    from ser import listen as listening
    from ser.clips import standard_input

    if source not in (None, "-"):
        raise typer.BadParameter(
            "SOURCE must be - (standard input) or left out (the microphone); clips go to `ser predict`"
        )
    asked = listening.Listening(
        source=None if source is None else standard_input(),
        url=url,
        sample_rate=rate,
        encoding="pcm_s16le" if source is None else encoding.value,
        channels=channels,
        stride_s=stride_s,
        top=top,
        emotions=tuple(emotions) if emotions else None,
        model=model,
        as_json=as_json,
    )
    raise typer.Exit(listening.run(asked))


@app.command()
def sample(
    name: Annotated[
        str | None, typer.Argument(help="Name of the recording, as --list prints it (default: the first).")
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            callback=samples.clip_file,
            help="The file to write: FLAC if its name ends in .flac, otherwise WAV; - is standard output.",
        ),
    ] = samples.PLAIN,
    listed: Annotated[bool, typer.Option("--list", help="List the recordings and their licence.")] = False,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Write a synthetic buzz as WAV, which is not speech.")
    ] = False,
) -> None:
    """Write a recording of a person to try the service with."""
    from speech_emotion.samples import UnknownSampleError

    if listed + synthetic + (name is not None) > 1:
        raise typer.BadParameter("NAME, --list and --synthetic exclude each other")
    try:
        if listed:
            samples.list_samples()
        elif synthetic:
            samples.write_synthetic_clip(output)
        else:
            samples.write_recording(name, output)
    except UnknownSampleError as error:
        raise fail(str(error), 2) from None


if __name__ == "__main__":
    app()
