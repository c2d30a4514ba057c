"""A data set with the features of every clip: what a network is fitted on and measured on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import Corpus, DataSet

Array = npt.NDArray[np.float32]
_ROWS, _FEATURES = "examples.json", "features.npz"


@dataclass(frozen=True)
class Examples:
    """Clips of a data set, their features `[windows, frames, bins]`, and the indices of their emotions `[clips]`."""

    data: DataSet
    features: Sequence[Array]
    targets: npt.NDArray[np.intp]

    @classmethod
    def of(cls, data: DataSet, features: Sequence[Array]) -> Examples:
        """Pair clips with their features, which may be left out where only the answers to them count."""
        return cls(data, features, np.array([data.emotions.index(clip.emotion) for clip in data.clips], np.intp))

    @property
    def clips(self) -> Sequence[Clip]:
        """Those of the data set."""
        return self.data.clips

    @property
    def emotions(self) -> tuple[str, ...]:
        """Those of the data set."""
        return self.data.emotions

    def subset(self, indices: npt.NDArray[np.intp]) -> Examples:
        """The examples at `indices`."""
        return Examples(self.data.part(indices), [self.features[i] for i in indices], self.targets[indices])

    def of_corpora(self, names: Iterable[str]) -> Examples:
        """The examples of these corpora, and the emotions that one of these at least has."""
        wanted = set(names)
        kept = [i for i, clip in enumerate(self.clips) if clip.corpus in wanted]
        return Examples.of(self.data.of_corpora(wanted), [self.features[i] for i in kept])

    def windows(self) -> tuple[Array, npt.NDArray[np.intp]]:
        """Every window as an example of its clip's emotion: `[n, frames, bins]`, `[n]`."""
        return np.concatenate(self.features), self.per_window(self.targets)

    def per_window(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What each clip has in `rows`, `[clips, ...]`, for each of its windows."""
        return np.repeat(rows, [len(feature) for feature in self.features], axis=0)

    def save(self, folder: Path, digest: str) -> None:
        """Write clips and features to `folder`, which `load` reads without the audio; `digest` is the data set's."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [{**asdict(clip), "path": str(clip.path)} for clip in self.clips]
        corpora = [asdict(corpus) for corpus in self.data.corpora]
        kept = {"emotions": self.emotions, "digest": digest, "clips": rows, "corpora": corpora}
        (folder / _ROWS).write_text(json.dumps(kept))
        counts = np.array([len(feature) for feature in self.features])
        np.savez(folder / _FEATURES, features=np.concatenate(self.features), counts=counts)

    @classmethod
    def load(cls, folder: Path, data: DataSet | None = None) -> Examples:
        """What `save` wrote; with `data`, the set that it was made of, the clips are not read again."""
        if data is None:
            kept = json.loads((folder / _ROWS).read_text())
            corpora = tuple(Corpus(**{**row, "emotions": tuple(row["emotions"])}) for row in kept["corpora"])
            data = DataSet([_clip(row) for row in kept["clips"]], tuple(kept["emotions"]), kept["digest"], 0, corpora)
        with np.load(folder / _FEATURES, allow_pickle=False) as arrays:
            features = np.split(arrays["features"], np.cumsum(arrays["counts"])[:-1])
        return cls.of(data, features)


def _clip(row: dict[str, Any]) -> Clip:
    votes = tuple((emotion, count) for emotion, count in row["votes"])
    return Clip(**{**row, "path": Path(row["path"]), "votes": votes})
