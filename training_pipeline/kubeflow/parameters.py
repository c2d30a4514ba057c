"""The pipeline's parameters: the options of a retraining, and what only Kubernetes needs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import yaml

from speech_emotion.errors import SpeechEmotionError
from training_pipeline.retraining.options import Default, Option, OptionError, declared

CLAIMS = {"data_pvc": "speech-emotion-data", "store_pvc": "speech-emotion-models", "work_pvc": "speech-emotion-work"}
"""Volume claims that are mounted, by default."""


class BackendError(SpeechEmotionError):
    """Kubeflow Pipelines cannot be reached, or refused what was asked."""

    code = "kubeflow"


def signature(image: str) -> inspect.Signature:
    """That of the pipeline function, which kfp reads: names, types and defaults of the parameters."""
    here = {"image": image, **CLAIMS}
    platform = [_parameter(name, str, default) for name, default in here.items()]
    return inspect.Signature([*platform, *(_of_option(option) for option in _options().values())])


def parse(pairs: Sequence[str], image: str, *, known: bool) -> dict[str, Any]:
    """`name=value` texts as a run's parameters, each of its type; with `known`, only those that the pipeline has.

    Another compiled pipeline may have others: of these, values that read as numbers are numbers. Raises BackendError,
    OptionError.
    """
    found: dict[str, Any] = {"image": image}
    options = _options()
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BackendError(f"{pair!r} is not a parameter: name=value is needed")
        if name in options:
            found[name] = _value(options[name], value)
        elif known and name not in signature(image).parameters:
            raise OptionError(f"no parameter {name}: there are {', '.join(sorted(signature(image).parameters))}")
        else:
            found[name] = value if name in ("image", *CLAIMS) else _guessed(value)
    return found


def _options() -> dict[str, Option]:
    return {option.name: option for option in declared() if option.kubeflow is not Default.HERE_ONLY}


def _of_option(option: Option) -> inspect.Parameter:
    default = option.default if option.kubeflow is Default.SAME else option.kubeflow
    kind = option.kind if option.kind in (int, float) else str
    return _parameter(option.name, kind, kind(default))


def _parameter(name: str, kind: type, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)


def _value(option: Option, text: str) -> Any:
    if option.kind not in (int, float):
        return text
    try:
        number = option.kind(text)
    except ValueError:
        raise OptionError(f"{option.name} is {text!r}; it must be a number") from None
    option.check(number)
    return number


def _guessed(text: str) -> Any:
    number = yaml.safe_load(text) if text else text
    return number if isinstance(number, int | float) and not isinstance(number, bool) else text
