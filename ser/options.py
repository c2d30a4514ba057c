"""A command's options out of their declarations, so that nothing is declared twice."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ser.output import output_folder
from training_pipeline.retraining.options import Default, Option, OptionError, Options, declared


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command`, whose first parameter takes Options, a parameter for each of them instead, before its own.

    A value that they refuse is a usage error.
    """
    _, *own = inspect.signature(command).parameters.values()
    hints = get_type_hints(command, include_extras=True)
    parameters = [*map(_parameter, declared()), *(p.replace(annotation=hints[p.name]) for p in own)]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        given = {option.name: _value(option, values.pop(option.command)) for option in declared()}
        try:
            options = Options(**given)
        except OptionError as error:
            raise typer.BadParameter(str(error)) from None
        command(options, **values)

    wrapper.__dict__["__signature__"] = inspect.Signature(
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _parameter(option: Option) -> inspect.Parameter:
    several = _several(option)
    number = option.kind in (int, float)
    bounds = {"min": option.least, "max": option.most} if number else {}
    check = output_folder if option.kind is Path else None
    shown = typer.Option(
        option.flag,
        envvar=option.variable,
        help=option.text,
        callback=check,
        **bounds,  # type: ignore[arg-type]
    )
    needed = option.default is Default.NEEDED
    default = inspect.Parameter.empty if needed else None if several else option.default
    kind = option.kind if not several else list[str] if needed else list[str] | None
    return inspect.Parameter(
        option.command, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, shown]
    )


def _several(option: Option) -> bool:
    return bool(option.kind == tuple[str, ...])


def _value(option: Option, given: Any) -> Any:
    return tuple(given or ()) if _several(option) else given
