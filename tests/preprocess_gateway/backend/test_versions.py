"""What labels mean: requests and the resolver's thread learn it at once, and nothing that one learned is lost."""

from __future__ import annotations

import threading
from collections.abc import ItemsView
from dataclasses import dataclass, field

from preprocess_gateway.backend.connection import VersionNotFoundError
from preprocess_gateway.backend.versions import ServedVersion, VersionResolver
from speech_emotion.contract import Description
from speech_emotion.features import SEED_SPEC

DESCRIPTION = Description(SEED_SPEC, ("joy", "sorrow"), {})


@dataclass
class Server:
    """What the labels mean; a label that is not there is not found."""

    labels: dict[str, int]
    model_name: str = "m"

    def describe(self, label: str, _timeout_s: float) -> tuple[int, Description]:
        if label not in self.labels:
            raise VersionNotFoundError(label)
        return self.labels[label], DESCRIPTION


@dataclass
class Pausing(dict[str, ServedVersion]):
    """Stands while it is read, until it may go on."""

    known: dict[str, ServedVersion]
    read: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.update(self.known)

    def items(self) -> ItemsView[str, ServedVersion]:  # type: ignore[override]
        self.read.set()
        assert self.may_go_on.wait(60)
        return super().items()


def resolver(server: Server) -> VersionResolver:
    return VersionResolver(server, ("stable", "canary"), 60, lambda _: None)  # type: ignore[arg-type]


def test_what_a_request_resolves_while_a_label_is_forgotten_is_kept() -> None:
    server = Server({"stable": 1, "canary": 2})
    versions = resolver(server)
    for label in ("stable", "canary"):
        versions.resolve(label)
    versions._known = pausing = Pausing(dict(versions.known))
    server.labels = {"stable": 3}
    forgetting = threading.Thread(target=versions._try, args=("canary",))
    resolving = threading.Thread(target=versions.resolve, args=("stable",))
    forgetting.start()
    assert pausing.read.wait(60)
    resolving.start()
    resolving.join(0.3)  # without a lock it is done by now, and about to be undone
    pausing.may_go_on.set()
    forgetting.join()
    resolving.join()
    assert {label: served.version for label, served in versions.known.items()} == {"stable": 3}


def test_a_label_that_was_taken_away_is_forgotten_and_comes_back() -> None:
    versions = resolver(server := Server({}))
    known = []
    for labels in ({"stable": 1, "canary": 2}, {"stable": 1}, {"stable": 1, "canary": 3}, {}):
        server.labels = labels
        for label in ("stable", "canary"):
            versions._try(label)
        known.append({label: served.version for label, served in versions.known.items()})
    # Stable must be there: it is kept while the server does not say what else it means.
    assert known == [{"stable": 1, "canary": 2}, {"stable": 1}, {"stable": 1, "canary": 3}, {"stable": 1}]
