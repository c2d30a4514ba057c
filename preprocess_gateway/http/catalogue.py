"""Every error that a client can meet, gathered from the exception classes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from preprocess_gateway.errors import GatewayError, OriginError, StreamError, UpgradeRequiredError
from preprocess_gateway.http.problems import HTTP_CODES, INTERNAL_CODE, OTHER_CODE, status_of_class
from speech_emotion.errors import AudioError, ContractError, LimitError, SpeechEmotionError

ABSTRACT = (AudioError, LimitError, GatewayError, StreamError)
OF_STREAMS = (StreamError, OriginError, UpgradeRequiredError)
HTTP_TEXTS = {
    "bad_request": "The request is not HTTP that can be understood.",
    "not_found": "There is nothing at this path.",
    "method_not_allowed": "The path does not take this method; `Allow` says which it does.",
}


@dataclass(frozen=True, order=True)
class ErrorEntry:
    """One row of the table: HTTP status (`4XX`: any other of these), stable code, and when it happens.

    `streams`: only live streams have it.
    """

    status: str
    code: str
    text: str
    streams: bool = False


def error_table() -> tuple[ErrorEntry, ...]:
    """All errors, one entry for each status and code, sorted by them."""
    found = {(entry.status, entry.code): entry for entry in (*_of_http(), *_of_classes())}
    return tuple(sorted(found.values()))


def _of_classes() -> Iterator[ErrorEntry]:
    for root in (AudioError, ContractError, GatewayError):
        for kind in _family(root):
            if kind not in ABSTRACT and kind.code != _parent_code(kind):
                text = (kind.__doc__ or "").partition("\n")[0]
                yield ErrorEntry(str(status_of_class(kind)), kind.code, text, issubclass(kind, OF_STREAMS))


def _of_http() -> Iterator[ErrorEntry]:
    for status, code in HTTP_CODES.items():
        if code in HTTP_TEXTS:  # others stand with the class that shares the code
            yield ErrorEntry(str(status), code, HTTP_TEXTS[code])
    yield ErrorEntry("4XX", OTHER_CODE, "The request is refused for another reason, which its status names.")
    yield ErrorEntry("500", INTERNAL_CODE, "The gateway failed because of a defect; its log has the details.")


def _family(root: type[SpeechEmotionError]) -> Iterator[type[SpeechEmotionError]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


def _parent_code(kind: type[SpeechEmotionError]) -> str:
    parent = kind.__mro__[1]
    return parent.code if issubclass(parent, SpeechEmotionError) else ""
