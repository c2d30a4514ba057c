"""One training, resolved once: every step is handed the job and looks nothing up."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from training_pipeline.data.dataset import DataSet
from training_pipeline.data.facts import UNKNOWN, UNNAMED, Facts, facts_of_set
from training_pipeline.identity import identity, packages_of, software, sources
from training_pipeline.networks.registry import Network, find
from training_pipeline.training.features import HEARD_BY, heard_by

TRAINED_BY = (
    *HEARD_BY,
    "training_pipeline.data",
    "training_pipeline.networks",
    "training_pipeline.savedmodel.continued",
    "training_pipeline.training",
)
"""The code that a trained network follows from, but for what other distributions bring: training imports no more."""


@dataclass(frozen=True)
class Job:
    """A network, the data set that it learns from, the seed of everything random, and what its card says of the data.

    Which speakers are held out is the data set's own (`DataSet.split`).
    """

    network: Network
    data: DataSet
    seed: int = 0
    facts: Facts = field(default_factory=Facts)

    @classmethod
    def resolve(
        cls,
        model: str,
        data: DataSet,
        seed: int = 0,
        name: str = UNNAMED,
        licence: str = UNKNOWN,
        *,
        trials: bool = False,
    ) -> Job:
        """The job of the registered network `model`, with `trials` also of a trial.

        `name` and `licence` are the data's. Raises UnknownModelError, naming those there are.
        """
        return cls(find(model, trials), data, seed, facts_of_set(data, name, licence))

    @cached_property
    def identity(self) -> str:
        """A name for what is trained: the same one means the same network, weight by weight.

        It knows the recordings and their rows, the features, the network with its recipe and pretrained weights, the
        seed, and the sources of all code and the versions of all libraries that have a part in it.
        """
        network = self.network
        return identity(
            self.data.digest,
            network.name,
            network.spec.fingerprint,
            network.provenance(),
            network.calibrated,
            self.seed,
            sources(*TRAINED_BY, *heard_by(network.spec), *packages_of(network.fit)),
            software(),
        )

    @property
    def folder_name(self) -> str:
        """The identity with the network's name before it, for people who look into a folder."""
        return f"{self.network.name.replace('/', '-')}-{self.identity}"
