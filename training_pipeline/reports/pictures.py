"""Pictures of an evaluation and of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from speech_emotion.audio import load
from speech_emotion.features import SEED_SPEC, Chroma, Mel, Spectrum
from speech_emotion.features.banks import mel_frequencies
from speech_emotion.features.columns import Columns
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.evaluation.cost import Costs

mpl.use("Agg")
mpl.rcParams["text.parse_math"] = False  # a dollar in the name of an emotion is one
DPI = 80
Array = npt.NDArray[Any]


def confusion(metrics: dict[str, Any], emotions: Sequence[str], title: str, path: Path) -> None:
    """A confusion matrix, rows normalised to the share of each true emotion."""
    counts = np.array(metrics["confusion"], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure((6, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(emotions)), emotions, rotation=45, ha="right")
    axes.set_yticks(range(len(emotions)), emotions)
    axes.set(xlabel="predicted", ylabel="acted", title=title)
    for row, column in np.ndindex(*shares.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=DPI)


def reliability(confidence: Array, correct: Array, title: str, path: Path, bins: int = 15) -> None:
    """Share of right answers against confidence, in bins of equally many clips; on the diagonal it is calibrated."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    figure = Figure((5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([confidence[part].mean() for part in parts], [correct[part].mean() for part in parts], marker="o")
    axes.set(xlabel="confidence", ylabel="share of right answers", title=title, xlim=(0, 1), ylim=(0, 1))
    figure.savefig(path, dpi=DPI)


def speakers(clips: Sequence[Clip], correct: Array, title: str, path: Path) -> None:
    """Accuracy on each speaker while held out, the lowest first, coloured by sex where it is known."""
    sexes = {clip.speaker: clip.sex for clip in clips}
    names = np.array([clip.speaker for clip in clips])
    accuracy = {speaker: float(correct[names == speaker].mean()) for speaker in sexes}
    order = sorted(accuracy, key=lambda speaker: accuracy[speaker])
    figure = Figure((8, 3.5), layout="constrained")
    axes = figure.subplots()
    for colour, sex in enumerate(sorted({sex or "" for sex in sexes.values()})):
        own = [speaker for speaker in order if (sexes[speaker] or "") == sex]
        heights = [accuracy[speaker] for speaker in own]
        axes.bar([order.index(speaker) for speaker in own], heights, color=f"C{colour}", label=sex or "not known")
    axes.axhline(float(correct.mean()), color="grey", linewidth=1)
    axes.set_xticks(range(len(order)), order, rotation=90)
    axes.set(ylabel="accuracy", xlabel="speaker", ylim=(0, 1), title=title)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=DPI)


def accuracy_against_cost(results: Mapping[str, Mapping[str, Any]], costs: Costs, path: Path) -> None:
    """Accuracy of each model that has a cost, against the time of a clip; bars are the spread over folds."""
    figure = Figure((7, 4.5), layout="constrained")
    axes = figure.subplots()
    for colour, (model, measured) in enumerate(results.items()):
        if model not in costs.models:
            continue
        cost = costs.models[model]
        axes.errorbar(
            cost.total_ms,
            measured["accuracy"],
            measured["accuracy_std"],
            marker="o",
            capsize=4,
            color=f"C{colour}",
            label=f"{model}, {cost.loaded_bytes / 1e6:.2g} MB",
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.3)
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    axes.set(
        xlabel=f"features and model of a {costs.clip_s:g} s clip on one thread, ms",
        ylabel="accuracy, standard deviation over folds",
        ylim=(0, 1),
        title="Unheard speakers, means over seeds",
    )
    figure.savefig(path, dpi=DPI)


def class_balance(data: DataSet, path: Path) -> None:
    """Clips of each emotion."""
    counts = Counter(clip.emotion for clip in data.clips)
    figure = Figure((6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.bar(data.emotions, [counts[emotion] for emotion in data.emotions])
    axes.set(ylabel="clips", title=f"{len(data.clips)} clips")
    axes.tick_params(axis="x", rotation=45)
    figure.savefig(path, dpi=DPI)


def durations(seconds: Sequence[float], path: Path) -> None:
    """Histogram of lengths."""
    figure = Figure((6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(seconds, bins=40)
    axes.set(xlabel="seconds", ylabel="clips", title=f"median {np.median(seconds):.2f} s")
    figure.savefig(path, dpi=DPI)


def clip_views(clip: Clip, path: Path) -> None:
    """Waveform, mel spectrogram and chromagram of one clip."""
    samples = load(clip.path, SEED_SPEC.sample_rate)
    spectrum = _whole(samples)
    mel, chroma = Mel(scale="db"), Chroma()
    seconds = samples.size / SEED_SPEC.sample_rate
    figure = Figure((8, 7), layout="constrained")
    wave, mel_axes, chroma_axes = figure.subplots(3, sharex=True)
    wave.plot(np.arange(samples.size) / SEED_SPEC.sample_rate, samples, linewidth=0.5)
    wave.set(title=f"{clip.emotion}: {clip.path.stem}", ylabel="amplitude", xlim=(0, seconds))
    for axes, block in ((mel_axes, mel), (chroma_axes, chroma)):
        bands = (0, seconds, -0.5, block.bins - 0.5)
        axes.imshow(block.compute(spectrum), origin="lower", aspect="auto", extent=bands, cmap="magma")
    centres = mel_frequencies(mel.n_mels, 0, SEED_SPEC.sample_rate / 2)[1:-1]
    marks = [256, 512, 1_024, 2_048, 4_096]
    mel_axes.set_yticks(np.interp(marks, centres, np.arange(centres.size)), marks)
    mel_axes.set(ylabel="mel bands, Hz")
    chroma_axes.set_yticks([0, 2, 4, 5, 7, 9, 11], list("CDEFGAB"))
    chroma_axes.set(ylabel="pitch class", xlabel="seconds")
    figure.savefig(path, dpi=DPI)


def _whole(samples: npt.NDArray[np.float32]) -> Spectrum:
    columns = Columns(SEED_SPEC)
    columns.add(samples)
    columns.end()
    return Spectrum(columns, 0, columns.complete)
