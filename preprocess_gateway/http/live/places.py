"""How many streams are open at once, altogether and for each client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from preprocess_gateway.errors import OverloadedError, TooManyStreamsError
from preprocess_gateway.quotas import Ledger


class Places:
    """Places for streams, those of all workers together."""

    def __init__(self, places: int, per_client: int, ledger: Ledger) -> None:
        self._places = ledger.quota("streams", places)
        self._per_client = per_client
        self._ledger = ledger

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold a place for a client's address while the block runs.

        Raises TooManyStreamsError if the client has no place left, OverloadedError if nobody has.
        """
        own = self._ledger.quota_of(client, self._per_client)
        with ExitStack() as held:
            if not own.take():
                raise TooManyStreamsError(f"this client has {self._per_client} streams open, and may have no more")
            held.callback(own.give)
            if not self._places.take():
                places = self._places.limit
                raise OverloadedError(f"{places} streams are open, and there may be no more", reason="streams")
            held.callback(self._places.give)
            yield
