"""Where a model's time goes: TensorFlow's own trace of one window on one thread, summed up by operation."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

import numpy as np
import tensorflow as tf

from benchmarks.results import Row, Section
from benchmarks.services import MODELS

WARM, RUNS = 5, 50
SHOWN = 0.01
"""Smallest share of the time that has a row of its own."""
v1 = tf.compat.v1


def measure(model: str, effort: float) -> Section:
    """A table of the operations of `serving_default`."""
    spent = _spent(MODELS[model], max(3, round(RUNS * effort)))
    total = spent.total()
    rows: list[Row] = [
        {"operation": name, "share": f"{nanos / total:.1%}"}
        for name, nanos in spent.most_common()
        if nanos >= SHOWN * total
    ]
    rest = sum(nanos for nanos in spent.values() if nanos < SHOWN * total)
    about = (
        f"One window of noise through `{model}` on one thread, traced by TensorFlow {tf.__version__}. The time between "
        "operations is not included."
    )
    return Section(
        title=f"Operations of `{model}`",
        about=about,
        rows=[*rows, {"operation": "everything else", "share": f"{rest / total:.1%}"}],
    )


def _spent(folder: Path, runs: int) -> Counter[str]:
    """Nanoseconds of each kind of operation in a call: of each operation the median of `runs` calls."""
    config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    taken: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    with v1.Session(graph=tf.Graph(), config=config) as session:
        signature = v1.saved_model.load(session, ["serve"], str(folder)).signature_def["serving_default"]
        features = signature.inputs["features"]
        shape = [each.size if each.size > 0 else 1 for each in features.tensor_shape.dim]
        fed = {features.name: np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
        asked = signature.outputs["probabilities"].name
        for _ in range(WARM):
            session.run(asked, fed)
        for _ in range(runs):
            seen = v1.RunMetadata()
            session.run(asked, fed, options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE), run_metadata=seen)
            for device in seen.step_stats.dev_stats:
                for node in device.node_stats:
                    label = node.timeline_label.partition(" = ")[2].partition("(")[0]
                    nanos = node.op_end_rel_nanos - node.op_start_rel_nanos
                    taken[label or node.node_name, node.node_name].append(nanos)
    spent: Counter[str] = Counter()
    for (operation, _), each in taken.items():
        spent[operation] += round(median(each))
    return spent
