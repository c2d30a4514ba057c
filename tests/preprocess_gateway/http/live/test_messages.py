"""Messages as they stand on the wire."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from preprocess_gateway.http.live.messages import FROM_GATEWAY, NowMessage, Start, WindowMessage


def test_a_message_has_its_type_and_what_was_set() -> None:
    window = WindowMessage(
        start_s=0, end_s=4, emotion=None, confidence=None, probabilities=None, reason="no_speech", uncertain=False
    )
    assert json.loads(window.to_json()) == {
        "type": "window", "start_s": 0.0, "end_s": 4.0, "emotion": None, "confidence": None, "probabilities": None,
        "reason": "no_speech", "uncertain": False,
    }  # fmt: skip
    spoken = WindowMessage(start_s=0, end_s=4, emotion="joy", confidence=1, probabilities={"joy": 1}, uncertain=False)
    assert "reason" not in json.loads(spoken.to_json())


def test_what_was_written_is_read_again() -> None:
    now = NowMessage(at_s=4.0, emotion="joy", confidence=0.5, probabilities={"joy": 0.5}, time_constant_s=5)
    assert FROM_GATEWAY.validate_json(now.to_json()) == now


@pytest.mark.parametrize(
    "text",
    [
        "{}", '{"sample_rate": "16000"}', '{"sample_rate": 16000.5}', '{"sample_rate": true}', '{"sample_rate": 0}',
        '{"sample_rate": 16000, "encoding": "opus"}', '{"sample_rate": 16000, "channels": 0}',
        '{"sample_rate": 16000, "stride": 1}', '{"sample_rate": 16000, "stride_s": NaN}',
        '{"sample_rate": 16000, "start_s": -1}', '{"type": "finish", "sample_rate": 16000}', "[]", "null", "",
    ],
)  # fmt: skip
def test_a_first_message_is_read_strictly(text: str) -> None:
    with pytest.raises(ValidationError):
        Start.model_validate_json(text)


def test_only_the_rate_is_needed() -> None:
    start = Start.model_validate_json('{"sample_rate": 16000}')
    assert (start.encoding, start.channels, start.stride_s, start.top, start.start_s) == ("pcm_s16le", 1, None, None, 0)
