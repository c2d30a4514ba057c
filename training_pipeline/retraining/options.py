"""What a retraining is asked for: every option is declared here, once.

The command line (`ser/options.py`), the environment, the parameters of the Kubeflow pipeline and the table in
docs/pipeline.md follow from the declarations. Only the standard library is imported: `ser --help` reads this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from speech_emotion.errors import SpeechEmotionError
from training_pipeline.networks.names import HEAD


class Default(Enum):
    """What stands for a default that is no value."""

    NEEDED = "needed"
    """The option must be given."""
    SAME = "same"
    """On Kubeflow as here."""
    HERE_ONLY = "here only"
    """The Kubeflow pipeline does not have the option."""


class OptionError(SpeechEmotionError):
    """An option does not exist, or has a value that it cannot have."""

    code = "option"


class Label(StrEnum):
    """Which label a new version gets."""

    canary = "canary"
    stable = "stable"
    none = "none"


TLS_OPTIONS = ("server_ca_file", "server_client_cert_file", "server_client_key_file")


@dataclass(frozen=True)
class _Declared:
    """What an option's declaration says beside its name, type and default."""

    text: str
    command: str = ""
    kubeflow: Any = Default.SAME
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Option(_Declared):
    """An option as every place shows it.

    `name` is the field's and that of the pipeline's parameter, `command` the name on the command line; `kubeflow` the
    parameter's default where it differs.
    """

    name: str = ""
    kind: Any = str
    default: Any = Default.NEEDED

    @property
    def flag(self) -> str:
        """On the command line."""
        return f"--{self.command.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """In the environment."""
        return f"PIPELINE_{self.command.upper()}"

    def check(self, value: Any) -> None:
        """Raise OptionError for a number that is out of bounds."""
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            bounds = [f"at least {self.least:g}"] if self.least is not None else []
            bounds += [f"at most {self.most:g}"] if self.most is not None else []
            raise OptionError(f"{self.name} is {value}; it must be {' and '.join(bounds)}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is asked for. Raises OptionError for a number that is out of bounds, or a label that nobody backs."""

    data: Annotated[
        tuple[str, ...],
        _Declared(
            "A data set: a manifest (CSV) or a folder of RAVDESS, CREMA-D or nEMO, here or in a bucket; repeat it for "
            "several corpora. On Kubeflow it is a list with commas.",
            kubeflow="/data",
        ),
    ]
    store: Annotated[str, _Declared("The model store: a folder, or its s3:// or gs:// URL.", kubeflow="/store")] = (
        "models"
    )
    name: Annotated[str, _Declared("Name of the model in the store.")] = "speech_emotion"
    model: Annotated[
        str,
        _Declared("Train this model: `head` is a new classifier on the encoder of the version that ships."),
    ] = HEAD
    label: Annotated[Label, _Declared("Give the new version this label.")] = Label.canary
    servers: Annotated[
        tuple[str, ...],
        _Declared(
            "Address of a model server, HOST:PORT; repeat it for each server. All addresses of a name are asked. On "
            "Kubeflow it is a list with commas, or `offline`.",
            command="server",
            kubeflow="",
        ),
    ] = ()
    offline: Annotated[
        bool, _Declared("Give the label without asking a model server, because none runs.", kubeflow=Default.HERE_ONLY)
    ] = False
    margin: Annotated[float, _Declared("Share of accuracy that a better model must gain.", least=-1, most=1)] = 0.0
    confidence: Annotated[
        float, _Declared("Share of bootstrap samples that must agree that a model is better.", least=0, most=1)
    ] = 0.95
    folds: Annotated[
        int,
        _Declared(
            "Folds of the report, besides the held-out speakers: at least 2, or 0 for none. With fewer speakers "
            "there is one fold for each.",
            least=0,
        ),
    ] = 5
    seed: Annotated[int, _Declared("Seed of everything that is random.", least=0)] = 0
    data_name: Annotated[str, _Declared("Name of the data set in the card.")] = "unnamed"
    licence: Annotated[str, _Declared("Licence of the data in the card.")] = "unknown"
    load_timeout_s: Annotated[
        float,
        _Declared(
            "Seconds that a server may take to load the version. It must exceed what the server's retries take "
            "(TensorFlow Serving: five, a minute apart): only then does a server say that it cannot.",
            command="timeout_s",
            least=0,
        ),
    ] = 360.0
    server_ca_file: Annotated[
        Path | None,
        _Declared(
            "PEM file of the certificates to check the servers against; without it connections are plain.",
            kubeflow=Default.HERE_ONLY,
        ),
    ] = None
    server_client_cert_file: Annotated[
        Path | None,
        _Declared("PEM file of the certificate to show, if the servers ask for one.", kubeflow=Default.HERE_ONLY),
    ] = None
    server_client_key_file: Annotated[
        Path | None, _Declared("PEM file of its private key.", kubeflow=Default.HERE_ONLY)
    ] = None
    work: Annotated[
        Path,
        _Declared(
            "Folder for intermediate results, from which a rerun resumes. On Kubeflow it must be on a volume that is "
            "mounted; if it is empty, or cannot be written, nothing is kept.",
            kubeflow="/data/.cache/pipeline",
        ),
    ] = Path(".cache/pipeline")

    cache_max_bytes: Annotated[
        int,
        _Declared(
            "Bytes of features, checkpoints and finished work that are kept; after a run the least recently used ones "
            "are deleted.",
            least=0,
        ),
    ] = 10 * 1024**3

    def __post_init__(self) -> None:
        for option in declared():
            option.check(getattr(self, option.name))
        if not self.data or not all(self.data):
            raise OptionError("data is empty; it must name a manifest or a folder")
        if self.folds == 1:
            raise OptionError("folds is 1; it must be 0, or at least 2: the other folds are for training")
        if self.label != Label.none and not self.servers and not self.offline:
            raise OptionError(
                f"--label {self.label} needs every model server (--server host:port), or --offline where none is "
                "running"
            )


def declared() -> Iterator[Option]:
    """Every option, in the order of the declarations."""
    hints = get_type_hints(Options, include_extras=True)
    for one in fields(Options):
        kind, shown = get_args(hints[one.name])
        said = asdict(shown) | {"command": shown.command or one.name}
        default = Default.NEEDED if one.default is MISSING else one.default
        yield Option(**said, name=one.name, kind=kind, default=default)


def find(name: str) -> Option:
    """The option of that name. Raises KeyError."""
    return {option.name: option for option in declared()}[name]


def options_table() -> str:
    """The table of docs/pipeline.md."""
    rows = ["| option | variable | Kubeflow | default | what |", "|---|---|---|---|---|"]
    for option in declared():
        on_kubeflow = "" if option.kubeflow is Default.HERE_ONLY else f"`{option.name}`"
        default = "needed" if option.default is Default.NEEDED else _shown(option.default)
        if option.kubeflow not in (Default.SAME, Default.HERE_ONLY, ""):
            default += f"; on Kubeflow {_shown(option.kubeflow)}"
        rows.append(f"| `{option.flag}` | `{option.variable}` | {on_kubeflow} | {default} | {option.text} |")
    return "\n".join(rows) + "\n"


def _shown(value: Any) -> str:
    return "none" if value in ((), "", None) else f"`{value}`"
