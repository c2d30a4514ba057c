"""What each model costs: size, parameters, time of features and model on one thread, real-time factor.

`python -m benchmarks.models [NAME=FOLDER ...]` measures the versions of models/speech_emotion, each under the name in
its card (of several versions of a name the newest), and beside them any SavedModel of the same contract. All take
turns in one run, so their ratios are fair on a busy machine too; `ser evaluate` shows them beside the accuracy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from threadpoolctl import threadpool_limits

from benchmarks.report import circumstances, processor
from model_server.servable import Servable, SessionOptions
from speech_emotion import contract
from speech_emotion.audio.signal import prepare
from speech_emotion.features import extract
from training_pipeline.data.synthetic import RATE, voice
from training_pipeline.evaluation.cost import Cost, Costs, Times, write_costs

ROOT = Path(__file__).parents[1]
STORE, OUTPUT = ROOT / "models" / "speech_emotion", ROOT / "models" / "evaluation" / "cost.json"
CLIP_S = 3.5
CALLS = 10  # of a turn: a server's caches are warm with its own model
EXTRAS = ("assets.extra", "manifest.json")
ONE_THREAD = SessionOptions(intra_op_threads=1, inter_op_threads=1)


class Version:
    """A SavedModel in a session, as the model server runs it, and a clip as it hears it."""

    def __init__(self, folder: Path) -> None:
        servable = Servable(folder.name, 1, folder, ONE_THREAD)
        texts = servable.infer(contract.SIGNATURE_DESCRIBE, {contract.INPUT_ROWS: np.zeros(1, np.int32)})
        names = (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)
        self.folder = folder
        self.description = contract.Description.parse(*(texts[name][0] for name in names))
        self._spec = self.description.spec
        self._samples = prepare(voice(CLIP_S, 180.0, 0.04, seed=1)[np.newaxis], RATE, self._spec.sample_rate)
        self._servable = servable
        self._input = self.features()
        self.features_ms: list[float] = []
        self.model_ms: list[float] = []

    def features(self) -> np.ndarray:
        return extract(self._samples, self._spec)

    def answer(self) -> object:
        return self._servable.infer(contract.SIGNATURE_PREDICT, {contract.INPUT_FEATURES: self._input})

    def turn(self) -> None:
        for _ in range(CALLS):
            self.features_ms.append(_milliseconds(self.features))
            self.model_ms.append(_milliseconds(self.answer))

    def cost(self) -> Cost:
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        loaded = [path for path in files if path.relative_to(self.folder).parts[0] not in EXTRAS]
        features, model = _times(self.features_ms), _times(self.model_ms)
        return Cost(
            size_bytes=sum(path.stat().st_size for path in files),
            loaded_bytes=sum(path.stat().st_size for path in loaded),
            parameters=self.description.card.get("parameters"),
            windows=len(self._input),
            features=features,
            model=model,
            real_time_factor=round((features.median_ms + model.median_ms) / 1000 / CLIP_S, 6),
        )


def measure(versions: Mapping[str, Version], turns: int) -> Costs:
    """Each version's cost, from `turns` turns of CALLS calls after one that does not count."""
    with threadpool_limits(1):
        for version in versions.values():
            version.turn()
            version.features_ms.clear()
            version.model_ms.clear()
        begun = time.perf_counter(), time.process_time()
        for _ in range(turns):
            for version in versions.values():
                version.turn()
        wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    return Costs(
        machine=f"{circumstances()}, {processor()}, TensorFlow {tf.__version__}",
        clip_s=CLIP_S,
        calls=turns * CALLS,
        cpu_share=round(cpu / wall, 3),
        models={name: version.cost() for name, version in versions.items()},
    )


def in_store(store: Path) -> dict[str, Version]:
    """The newest version of each name that a card in the store has."""
    folders = sorted((path for path in store.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    return {version.description.card["model"]: version for version in map(Version, folders)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models")
    parser.add_argument("models", nargs="*", type=_named, metavar="NAME=FOLDER", help="beside those of the store")
    parser.add_argument("--store", type=Path, default=STORE, help="folder of versions")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="beside predictions, for `ser evaluate`")
    parser.add_argument("--turns", type=int, default=60, help=f"of {CALLS} calls each")
    options = parser.parse_args()
    costs = measure(in_store(options.store) | {name: Version(path) for name, path in options.models}, options.turns)
    write_costs(options.output, costs)
    print(costs.model_dump_json(indent=1))


def _named(argument: str) -> tuple[str, Path]:
    name, _, folder = argument.partition("=")
    if not name or not (Path(folder) / "saved_model.pb").is_file():
        raise argparse.ArgumentTypeError(f"{argument!r} is not NAME=FOLDER of a SavedModel")
    return name, Path(folder)


def _milliseconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)


def _times(taken: list[float]) -> Times:
    return Times(median_ms=round(statistics.median(taken), 4), best_ms=round(min(taken), 4))


if __name__ == "__main__":
    main()
