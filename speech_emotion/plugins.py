"""What installed distributions add: networks, feature blocks, readers of data sets and observers, by entry point.

What comes with the project is registered in its own `pyproject.toml` in the same way. Nothing is imported before it is
asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Generic, TypeVar

from speech_emotion.errors import PluginError

T = TypeVar("T")
OWN: Final = "speech-emotion-serving"
"""The distribution of this project."""


@dataclass(frozen=True)
class Group(Generic[T]):
    """The entry points of one group.

    `accepts` tells whether what an entry point names is of the group's kind, `named` what it calls itself, which must
    be the name of its entry point.
    """

    group: str
    what: str
    accepts: Callable[[object], bool]
    named: Callable[[T], str]

    def names(self) -> tuple[str, ...]:
        """All names, sorted. Imports nothing. Raises PluginError if two distributions register the same one."""
        return tuple(sorted(found(self.group, self.what)))

    def provider(self, name: str) -> str:
        """The distribution that registers `name`, with its version. Raises KeyError, or PluginError as `names`."""
        return _provider(found(self.group, self.what)[name])

    def load(self, name: str) -> T:
        """What is registered as `name`, imported now.

        Raises KeyError if nothing is; PluginError, which names the distribution, if it cannot be imported or is not of
        this kind, or as `names` does.
        """
        return _load(self, found(self.group, self.what)[name])


@cache
def found(group: str, what: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name, as they were when they were first asked for. Raises PluginError on a clash."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = points.setdefault(point.name, point)
        if other is not point:
            both = " and by ".join(sorted((_provider(other), _provider(point))))
            raise PluginError(f"the {what} {point.name!r} is registered twice: by {both}; uninstall one of them")
    if not any(point.dist and point.dist.name == OWN for point in points.values()):
        raise PluginError(
            f"{OWN} is not installed with its entry points: install it again, such as with pip install -e ."
        )
    return points


def _load(group: Group[T], point: EntryPoint) -> T:
    try:
        loaded = point.load()
    except Exception as error:
        raise PluginError(f"{_where(group, point)} cannot be imported: {type(error).__name__}: {error}") from error
    if not group.accepts(loaded):
        raise PluginError(f"{_where(group, point)} is not a valid {group.what}: {loaded!r}")
    try:
        named = group.named(loaded)
    except AttributeError as error:
        raise PluginError(f"{_where(group, point)} is not a valid {group.what}: {error}") from error
    if named != point.name:
        raise PluginError(f"{_where(group, point)} calls itself {named!r}: both names must be the same")
    return loaded  # type: ignore[no-any-return]


def _where(group: Group[T], point: EntryPoint) -> str:
    """Names an entry point, for errors only, because this reads the files of its distribution."""
    return f"the {group.what} {point.name!r} of {_provider(point)} ({point.value})"


def _provider(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
