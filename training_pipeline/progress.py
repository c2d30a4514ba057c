"""How long work says how far it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Progress = Callable[[], None]
"""Called once for each thing that is done."""
Bar = Callable[[str, int], AbstractContextManager[Progress]]
"""Shows what is being done and of how many things, while its block runs."""


def no_progress() -> None:
    """Tell nobody."""


def no_bar(_description: str, _total: int) -> AbstractContextManager[Progress]:
    """Show nothing."""
    return nullcontext(no_progress)
