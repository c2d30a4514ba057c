"""The first fault that pydantic found, without its own words around it."""

from __future__ import annotations

from pydantic import ValidationError


def first_fault(error: ValidationError) -> tuple[tuple[int | str, ...], str]:
    """Where the fault is, from the outside in, and what it is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return first["loc"], first["msg"].removeprefix("Value error, ")
