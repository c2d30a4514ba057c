from __future__ import annotations

import json

import pytest

from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import SEED_SPEC

SPEC = SEED_SPEC.to_json()


def test_a_description_is_read() -> None:
    description = Description.parse(SPEC.encode(), b'["sad", "happy"]', b'{"name": "m"}')
    assert description == Description(SEED_SPEC, ("sad", "happy"), {"name": "m"})


@pytest.mark.parametrize(
    ("labels", "card", "message"),
    [
        ("nonsense", "{}", "labels is not JSON"),
        ('{"a": 1}', "{}", "list of non-empty strings"),
        ('["a", ""]', "{}", "list of non-empty strings"),
        ('["a", 1]', "{}", "list of non-empty strings"),
        ('["a"]', "{}", "2 to 1000 distinct"),
        ('["a", "a"]', "{}", "2 to 1000 distinct"),
        (json.dumps([str(n) for n in range(1001)]), "{}", "2 to 1000 distinct"),
        ('["a", "b"]', "[]", "card must be a JSON object"),
        ('["a", "b"]', "\udcff", "card is not JSON"),
    ],
)
def test_a_broken_promise_is_named(labels: str, card: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Description.parse(SPEC, labels, card)
