"""Draw what clients saw: `python -m tests.cluster.pictures reports/cluster docs/pictures`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NAMES = {
    "operations": "Upgrade, rollback, deleted pods and a drained node under constant load",
    "node-killed": "A node dies without warning",
    "retraining": "Retraining, canary, promotion and rollback under constant load",
}


def draw(figures: dict[str, Any], title: str, target: Path) -> None:
    """Latency of every request over time; failed ones in red, phases shaded."""
    plot, axes = plt.subplots(figsize=(11, 4), layout="constrained")
    for shade, phase in enumerate(figures["phases"]):
        axes.axvspan(phase["begun_s"], phase["ended_s"], color="0.93" if shade % 2 else "0.85", lw=0)
        middle = (phase["begun_s"] + phase["ended_s"]) / 2
        axes.text(
            middle,
            0.98,
            phase["name"],
            transform=axes.get_xaxis_transform(),
            rotation=90,
            va="top",
            ha="center",
            fontsize=8,
        )
    for good, colour, size in ((True, "tab:blue", 2), (False, "tab:red", 14)):
        points = [(start, latency) for start, latency, status in figures["records"] if (status == 200) == good]
        if points:
            axes.scatter(*zip(*points, strict=True), s=size, color=colour, label="answered" if good else "failed")
    axes.set(
        title=f"{title}: {figures['failed']} of {figures['requests']} requests failed",
        yscale="log",
        xlabel="seconds",
        ylabel="seconds to the answer",
    )
    axes.legend(loc="lower right")
    plot.savefig(target, dpi=110)
    plt.close(plot)


def main(source: Path, target: Path) -> None:
    for name, title in NAMES.items():
        report = source / f"{name}.json"
        if report.exists():
            draw(json.loads(report.read_text()), title, target / f"cluster-{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
