"""What the store refuses."""

from __future__ import annotations

from speech_emotion.errors import StoreError


class ConflictError(StoreError):
    """Somebody else changed the store meanwhile: look again, then decide again."""

    code = "store_conflict"


class NoSuchVersionError(StoreError):
    """The store has no whole version of that number, or no label of that name."""

    code = "no_such_version"


class DamagedVersionError(StoreError):
    """A version's files are not those of its manifest."""

    code = "damaged_version"


class NoRoomError(StoreError):
    """A version does not fit into what its folder may hold."""


class InUseError(StoreError):
    """The version may not go: a label names it, or a rollback would."""

    code = "version_in_use"


class NotServedError(StoreError):
    """A model server does not say AVAILABLE for the version."""

    code = "not_served"


class LoadFailedError(NotServedError):
    """A model server tried to load the version and cannot."""
