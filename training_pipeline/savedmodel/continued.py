"""A version to start from: its encoder is kept as it is, and a new head is trained for other emotions."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.preprocessing import StandardScaler
from tensorflow.core.framework.node_def_pb2 import NodeDef

from speech_emotion import contract
from speech_emotion.errors import ContractError
from training_pipeline.errors import DataError, MissingClassesError
from training_pipeline.networks.names import HEAD
from training_pipeline.networks.network import Network
from training_pipeline.networks.regression import fit_softmax
from training_pipeline.savedmodel.card import STARTED_LICENCE
from training_pipeline.savedmodel.frozen import freeze
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.savedmodel.served_graph import GraphOfVariables
from training_pipeline.training.windows import in_batches

Array = npt.NDArray[np.float32]
INVERSE_REGULARISATION = 0.1
"""scikit-learn's C: a few clips must not be learnt by heart."""
SAVED_MODEL = "saved_model.pb"
STARTED = "started from"
_EARLIER = re.compile(r"(.*), (\d+) versions? earlier")
MOST_REMEMBERED = 20_000
"""Windows whose values are kept in memory, about 12 kB each."""
_PASSED = {"Identity", "RealDiv", "BiasAdd", "AddV2", "Mul"}
"""What stands between a version's softmax and its last product."""
_ACTIVATIONS = {"Relu", "Tanh", "Elu", "Selu", "Erf", "Erfc", "Neg"}
"""What stands between its last two products, besides these."""


@dataclass(frozen=True)
class Trunk:
    """A version without its head: log-mel or other features to what the head was given, `[n, values]`.

    The head is the last dense layer, and the one before it if only an activation is between them. The version's
    detector of speech, if it has one, is a second output of `graph`: logits are multiplied by it.
    """

    graph: GraphOfVariables

    @classmethod
    def of(cls, version: Path) -> Trunk:
        """The trunk of a SavedModel. Raises DataError for one that does not end in a product and a softmax."""
        loaded = tf.saved_model.load(str(version))
        graph, given, wanted = freeze(loaded.signatures[contract.SIGNATURE_PREDICT])
        nodes = {node.name: node for node in graph.node}
        softmax = _behind(nodes, nodes[_name(wanted)], {"Softmax"}, {"Identity"})
        product = softmax and _behind(nodes, nodes[_name(softmax.input[0])], {"MatMul"}, _PASSED)
        if softmax is None or product is None:
            raise DataError(f"{version} cannot be started from: it does not end in a dense layer and a softmax")
        detector = _behind(nodes, nodes[_name(softmax.input[0])], {"Sigmoid"}, _PASSED)
        # A head of two layers is left whole: what the first one was given knows more than eight emotions need.
        hidden = _behind(nodes, nodes[_name(product.input[0])], {"MatMul"}, _PASSED | _ACTIVATIONS)
        outputs = [(hidden or product).input[0], *([detector.name] if detector else [])]
        return cls(GraphOfVariables(graph, given, [_tensor(name) for name in outputs]))

    def __call__(self, features: Any) -> list[Any]:
        """What the head is given, `[n, values]`, and the probability of speech, `[n, 1]`, if it is detected."""
        return list(self._compiled(features))

    def remembered(self, windows: Array) -> list[Array]:
        """The same for windows in memory; what was computed before, such as for another fold, is not computed again."""
        names = [hashlib.blake2b(window.tobytes(), digest_size=16).digest() for window in windows]
        if new := {name: i for i, name in enumerate(names) if name not in self._memory}:
            if len(self._memory) + len(new) > MOST_REMEMBERED:
                self._memory.clear()
                new = dict(zip(names, range(len(names)), strict=True))
            rows = windows[list(new.values())]
            made = [np.asarray(part) for part in self(tf.constant(rows, tf.float32))]
            self._memory.update(zip(new, zip(*made, strict=True), strict=True))
        return [np.stack(part) for part in zip(*(self._memory[name] for name in names), strict=True)]

    @cached_property
    def _memory(self) -> dict[bytes, tuple[Array, ...]]:
        return {}

    @cached_property
    def _compiled(self) -> Any:
        return tf.function(self.graph, reduce_retracing=True)


class Continued(tf.Module):  # type: ignore[misc]
    """A trunk with a new head: features to logits, as Keras models are called."""

    def __init__(self, trunk: Trunk, kernel: Array, bias: Array) -> None:
        super().__init__()
        self.trunk, self.kernel, self.bias = trunk, kernel, bias
        self.graph = trunk.graph  # saved with the module, unlike the trunk

    def __call__(self, features: Any, training: bool = False) -> Any:  # noqa: ARG002 - as Keras models are called
        """Logits `[n, classes]` of features `[n, frames, bins]`."""
        known = isinstance(features, np.ndarray)
        hidden, *speech = self.trunk.remembered(features) if known else self.trunk(tf.cast(features, tf.float32))
        logits = tf.matmul(hidden, self.kernel) + self.bias
        return logits * speech[0] if speech else logits

    def count_params(self) -> int:
        """Those of the new head, and the constants of the trunk."""
        return self.graph.count_constants() + self.kernel.size + self.bias.size


def continued(version: Path) -> Network:
    """The network that goes on from `version`, a SavedModel's folder: its encoder with a new head.

    Raises DataError for what is no version, or one that cannot be started from.
    """
    description = described(version)
    trunk = Trunk.of(version)
    card = description.card
    licence = str(card.get("licences", {}).get("weights", "unknown"))
    provenance = {
        STARTED: f"{named(version)}, a {model_of(version)}",
        STARTED_LICENCE: licence,
        "sha256": digest_of(version),
        **_inherited(card.get("pretrained", {})),
    }
    if source := card.get("data", {}).get("source"):
        provenance["its data"] = str(source)
    return Network(HEAD, description.spec, partial(_fit, trunk), lambda: provenance, takes_shares=True)


def _inherited(pretrained: dict[str, Any]) -> dict[str, str]:
    """What a card says of its weights, for the card of the next version.

    If they came from an encoder, `WHAT` is called `its WHAT`; if from a version, `WHAT, 1 version earlier`, and so on.
    """
    if STARTED not in pretrained:
        return {f"its {what}": str(value) for what, value in pretrained.items()}
    found = {}
    for what, value in pretrained.items():
        name, earlier = match.groups() if (match := _EARLIER.fullmatch(what)) else (what, "0")
        number = int(earlier) + 1
        found[f"{name}, {number} version{'s' if number > 1 else ''} earlier"] = str(value)
    return found


def digest_of(version: Path) -> str:
    """SHA-256 over a version's graph and its weights."""
    digest = hashlib.sha256()
    for path in (version / SAVED_MODEL, *sorted(version.glob("variables/*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def described(version: Path) -> contract.Description:
    """What a version says of itself; it never changes. Raises DataError for what is no version."""
    try:
        return ServableModel(version).description
    except (ContractError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{version} cannot be started from: {error}") from error


def model_of(version: Path) -> str:
    """The network that a version is of, as its card says. Raises DataError."""
    return str(described(version).card.get("model", "unknown"))


def named(version: Path) -> str:
    """A version as part of a sentence: its number, and its model's name in the store."""
    folder = version.resolve()  # `3` and `.` are named by what is above them
    return f"version {folder.name} of {folder.parent.name}"


def version_folder(location: Path) -> Path:
    """The SavedModel at STORE/MODEL/VERSION, or at STORE/VERSION of a store where one model alone has that version.

    Raises DataError.
    """
    if (location / SAVED_MODEL).is_file():
        return location
    found = sorted(path.parent for path in location.parent.glob(f"*/{location.name}/{SAVED_MODEL}"))
    if len(found) != 1:
        several = f"{', '.join(map(str, found))} are: name one of them" if found else "nor is STORE/MODEL/VERSION"
        raise DataError(f"{location} is no version; {several}")
    return found[0]


def _fit(
    trunk: Trunk,
    x: Array,
    y: npt.NDArray[Any],
    classes: int,
    seed: int,  # noqa: ARG001 - there is nothing random
    checkpoints: Path | None = None,  # noqa: ARG001 - trains within moments
) -> Any:
    """A last layer by logistic regression on what the trunk makes of `x`; every class of indices `y` counts alike."""
    rows = y if y.ndim == 2 else _balanced(y, classes)
    if missing := np.flatnonzero(np.maximum(rows, 0).sum(axis=0) == 0).tolist():
        raise MissingClassesError(missing)
    hidden = in_batches(lambda windows: trunk.remembered(windows)[0], x).astype(np.float64)
    scale = StandardScaler().fit(hidden)
    kernel, bias = fit_softmax(scale.transform(hidden), rows, INVERSE_REGULARISATION)
    kernel /= scale.scale_[:, np.newaxis]
    return Continued(trunk, np.asarray(kernel, np.float32), np.asarray(bias - scale.mean_ @ kernel, np.float32))


def _balanced(y: npt.NDArray[np.intp], classes: int) -> npt.NDArray[np.float64]:
    """Class indices `[n]` as rows `[n, classes]`, whose weights have a mean of 1 and are alike for every class."""
    counts = np.maximum(np.bincount(y, minlength=classes), 1)
    return np.asarray(np.eye(classes)[y] * (len(y) / (np.count_nonzero(np.bincount(y)) * counts[y]))[:, np.newaxis])


def _behind(nodes: dict[str, NodeDef], node: NodeDef, wanted: set[str], passed: set[str]) -> NodeDef | None:
    """The first node of a wanted kind on the way back from `node` through nodes of the kinds `passed`."""
    if node.op in wanted:
        return node
    if node.op not in passed:
        return None
    inputs = (_behind(nodes, nodes[_name(name)], wanted, passed) for name in node.input)
    return next((found for found in inputs if found is not None), None)


def _name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
