"""The pipeline's parameters: the options of a retraining, and what only Kubernetes needs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from speech_emotion.errors import SpeechEmotionError
from training_pipeline.retraining.options import Default, Option, OptionError, declared

CLAIMS = {"data_pvc": "speech-emotion-data", "store_pvc": "speech-emotion-models", "work_pvc": "speech-emotion-work"}
"""Volume claims that are mounted, by default."""


_TYPES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "NUMBER_INTEGER": ("a whole number", int),
    "NUMBER_DOUBLE": ("a number", float),
    "BOOLEAN": ("true or false", {"true": True, "false": False}.__getitem__),
}
"""Types of parameters that are neither text nor JSON: what is said of them, and how they are read."""


class BackendError(SpeechEmotionError):
    """Kubeflow Pipelines cannot be reached, or refused what was asked."""

    code = "kubeflow"


def signature(**platform: str) -> inspect.Signature:
    """That of the pipeline function, which kfp reads: names, types and defaults of the parameters.

    `platform` are defaults of parameters that only Kubernetes needs, or that differ there.
    """
    options = {option.name: _of_option(option) for option in declared() if option.kubeflow is not Default.HERE_ONLY}
    own = {name: _parameter(name, str, default) for name, default in {**CLAIMS, **platform}.items()}
    return inspect.Signature([*{**options, **own}.values()])


def parse(pairs: Sequence[str], types: Mapping[str, str]) -> dict[str, Any]:
    """`name=value` texts as a run's parameters, each of the type that the compiled pipeline declares (`types_of`).

    Values of the retraining's options are checked against their bounds. Raises BackendError, OptionError.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BackendError(f"{pair!r} is not a parameter: name=value is needed")
        if name not in types:
            raise OptionError(f"no parameter {name}: there are {', '.join(sorted(types))}")
        found[name] = _value(name, types[name], value)
    return found


def types_of(pipeline: Mapping[str, Any]) -> dict[str, str]:
    """The type of each parameter, as the specification of a compiled pipeline declares it. Raises BackendError."""
    try:
        declared_there = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
        return {name: str(shown["parameterType"]) for name, shown in declared_there.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise BackendError("this is not a compiled pipeline: its parameters are not declared") from error


def run_name(given: Mapping[str, Any], at: datetime) -> str:
    """A name that says model, data and time, such as `mlp ravdess 2026-11-28 16:20:05`."""
    options = {option.name: option for option in declared()}
    model = given.get("model", options["model"].default)
    data = given.get("data_name") or _called(str(given.get("data", options["data"].kubeflow)))
    return f"{model} {data} {at:%Y-%m-%d %H:%M:%S}"


def _called(data: str) -> str:
    """Data sets as people name them: by their folder, or by the manifest without its ending."""
    names = []
    for location in data.split(","):
        folder, _, name = location.strip().rstrip("/").rpartition("/")
        whole = name in ("manifest.csv", "") and folder.rpartition("/")[2]
        names.append(whole or name.removesuffix(".csv"))
    return "+".join(filter(None, names)) or "data"


def _of_option(option: Option) -> inspect.Parameter:
    default = option.default if option.kubeflow is Default.SAME else option.kubeflow
    kind = option.kind if option.kind in (int, float) else str
    return _parameter(option.name, kind, kind(default))


def _parameter(name: str, kind: type, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "STRING":
        return text
    shown, read = _TYPES.get(kind, ("JSON", json.loads))
    try:
        value = read(text)
    except (KeyError, ValueError):
        raise OptionError(f"{name} is {text!r}; it must be {shown}") from None
    option = {option.name: option for option in declared()}.get(name)
    if option is not None and option.kind in (int, float):
        option.check(value)
    return value
