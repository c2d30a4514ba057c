"""What is to be trained, by name: a registered network, or a new head on a version, by default the one that ships.

TensorFlow is imported only when a version is opened, so checking a name does not need it.
"""

from __future__ import annotations

from pathlib import Path

from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import STABLE
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.facts import UNKNOWN, UNNAMED, facts_of_set
from training_pipeline.errors import DataError, UnknownModelError
from training_pipeline.identity import PACKAGE
from training_pipeline.networks.names import HEAD
from training_pipeline.networks.registry import Network, find
from training_pipeline.training.job import Job

SHIPPED_STORES = (Path("/opt/models"), PACKAGE.parent / "models")
"""The store that ships: in the image of the pipeline, and in the repository."""
SHIPPED = "speech_emotion"


def resolve(
    model: str,
    data: DataSet,
    seed: int = 0,
    name: str = UNNAMED,
    licence: str = UNKNOWN,
    *,
    start_from: Path | None = None,
    trials: bool = False,
    measured: bool = False,
) -> Job:
    """The job of a registered network, with `trials` also of a trial, or of `head`: a new head on `start_from`.

    `start_from` is a version, by default the one that ships; only `head` uses it. `name` and `licence` are the data's.
    With `measured`, the job is refused if the version was trained on this data, because its figures would be too good.
    Raises UnknownModelError, naming those there are, and DataError.
    """
    facts = facts_of_set(data, name, licence)
    if model != HEAD:
        return Job(_found(model, trials=trials), data, seed, facts)
    from training_pipeline.savedmodel.continued import continued

    version = start_version(start_from)
    if measured:
        _require_unheard(version, data)
    return Job(continued(version), data, seed, facts)


def check_name(model: str) -> None:
    """Raise UnknownModelError for an unknown model, DataError for a head without a version; needs no TensorFlow."""
    if model == HEAD:
        start_version()
    else:
        _found(model)


def start_version(given: Path | None = None) -> Path:
    """The version that a head starts from: the folder of `given`, or of what ships. Raises DataError."""
    if given is not None:
        from training_pipeline.savedmodel.continued import version_folder

        return version_folder(given)
    for store in SHIPPED_STORES:
        if (store / "models.config").is_file():
            return stable_version(store, SHIPPED)
    raise DataError("the model store that ships is not on this machine: name a version to start from, or another model")


def require_model(version: Path, model: str | None) -> None:
    """Raise DataError for a version of another model than `model`, if that is named."""
    from training_pipeline.savedmodel.continued import model_of, version_folder

    folder = version_folder(version)
    if model not in (None, HEAD, own := model_of(folder)):
        raise DataError(f"{folder} is a version of {own}, not of {model}: leave out --model")


def stable_version(store: Path, name: str) -> Path:
    """The SavedModel of the stable version of `name` in the folder `store`. Raises DataError if there is none."""
    version = FolderStore(store).read_config().labels(name).get(STABLE)
    if version is None:
        raise DataError(f"{store} has no {STABLE} version of {name}: name a SavedModel by --version")
    return store / name / str(version)


def _found(model: str, *, trials: bool = False) -> Network:
    try:
        return find(model, trials)
    except UnknownModelError as error:
        raise UnknownModelError(f"{error}, {HEAD}") from None


def _require_unheard(version: Path, data: DataSet) -> None:
    """Raise DataError for a corpus that the version, or what it was started from, was trained on, as its card says."""
    from training_pipeline.savedmodel.continued import described, named
    from training_pipeline.savedmodel.heard_before import heard_before

    if told := heard_before(described(version).card, data).told():
        raise DataError(
            f"{named(version)} was trained on this data ({told}), so a "
            f"{HEAD} on it cannot be measured there: choose another model, such as whisper"
        )
