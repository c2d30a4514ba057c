"""The models that this gateway answers with, by name: each with its versions, and who gets which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.broken import BrokenVersions
from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.backend.connection import Connection
from preprocess_gateway.backend.traffic import Traffic
from preprocess_gateway.backend.versions import ServedVersion, VersionResolver
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.among import Among
from preprocess_gateway.core.answer import PredictOptions
from preprocess_gateway.errors import UnknownModelError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import extract

Array = npt.NDArray[np.float32]


class ServedModel:
    """One model of the store: which version a client gets, and what that version answers."""

    def __init__(self, client: PredictClient, versions: VersionResolver, traffic: Traffic, max_batch: int) -> None:
        self.name = client.model_name
        self.versions = versions
        self._client = client
        self._traffic = traffic
        self._max_batch = max_batch

    @property
    def ready(self) -> bool:
        """Whether the model has described itself."""
        return self.versions.ready

    def choose(self, affinity_key: str) -> ServedVersion:
        """The version for a client. Raises ModelUnavailableError if its label has none."""
        return self.versions.current(self._traffic.choose(affinity_key, self.versions.known))

    def check(self, options: PredictOptions, affinity_key: str) -> None:
        """Raises BadQueryError for an emotion that the client's version does not know; as `choose` if it has none."""
        if options.emotions:
            Among.of(options.emotions, self.choose(affinity_key).description.emotions)

    def is_canary(self, version: ServedVersion) -> bool:
        """Whether another version can answer in its place."""
        return version.label != self._traffic.stable

    def stable(self) -> ServedVersion:
        """The version that answers where no other does. Raises ModelUnavailableError if there is none."""
        return self.versions.current(self._traffic.stable)

    def other_than(self, label: str) -> ServedVersion | None:
        """A version with another label, if there is one."""
        return next((served for name, served in self.versions.known.items() if name != label), None)

    def served(self) -> tuple[ServedVersion, ...]:
        """What each label means now; empty before the model has described itself."""
        return tuple(self.versions.known.values()) if self.ready else ()

    def spend_retry(self) -> bool:
        """Whether the budget of retries allows to ask another version instead."""
        return self._client.spend_retry()

    def ask(self, features: Array, version: ServedVersion, context: RequestContext) -> Array:
        """Probabilities `[windows, emotions]` of features `[windows, frames, bins]`; no window, no call.

        Sent in batches of at most `max_batch` windows. Raises what `PredictClient.predict` does.
        """
        width = len(version.description.emotions)
        rows = [np.empty((0, width), np.float32)]
        for start in range(0, len(features), self._max_batch):
            rows.append(self._client.predict(features[start : start + self._max_batch], version.version, context))
            if rows[-1].shape[1] != width:
                raise ContractError(f"version {version.version} answers {rows[-1].shape[1]} values, not {width}")
        return np.concatenate(rows)


class ServedModels:
    """Every model by its name; the first is the default."""

    def __init__(self, models: Sequence[ServedModel], close: Callable[[], None] = lambda: None) -> None:
        """`close` ends what the models share, once they are closed."""
        self._by_name = {model.name: model for model in models}
        self._close = close
        self.default = models[0]

    @classmethod
    def connect(cls, settings: Settings, metrics: Metrics) -> Self:
        """The models of the settings on one connection, each with a thread that resolves its labels."""
        connection = Connection(settings, metrics)
        traffic = Traffic(settings.model_label, settings.canary_label, settings.canary_share)
        models = []
        for name in settings.models:
            client = PredictClient(connection, name)
            look = BrokenVersions(client, metrics).look
            versions = VersionResolver(client, traffic.labels, settings.resolve_interval_s, _warm, look)
            versions.start()
            models.append(ServedModel(client, versions, traffic, settings.max_batch))
        return cls(models, connection.close)

    def get(self, name: str) -> ServedModel:
        """The model of a name. Raises UnknownModelError."""
        if name not in self._by_name:
            raise UnknownModelError(f"There is no model {name[:80]!r} here. There are {', '.join(self._by_name)}")
        return self._by_name[name]

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def asked(self) -> bool:
        """Whether the model server was asked once for each model, with whatever outcome."""
        return all(model.versions.asked for model in self)

    def close(self) -> None:
        """Stop resolving, then close what the models share."""
        for model in self:
            model.versions.close()
        self._close()


def _warm(description: Description) -> None:
    spec = description.spec
    extract(np.zeros(spec.sample_rate, np.float32), spec)  # filter banks are built on the first call
