"""WebVTT: times, voices, and text that is no markup."""

from __future__ import annotations

import pytest

from speech_emotion import captions


@pytest.mark.parametrize(("seconds", "shown"), [
    (0, "00:00:00.000"), (61.5, "00:01:01.500"), (3_599.9996, "01:00:00.000"), (360_000, "100:00:00.000"),
])  # fmt: skip
def test_times_have_hours_and_milliseconds(seconds: float, shown: str) -> None:
    assert captions.timestamp(seconds) == shown


def test_a_caption_is_a_cue_with_a_voice_for_a_channel() -> None:
    cue = captions.caption(1, 2.5, "happy", 0.812, uncertain=False, channel=None)
    assert cue == "00:00:01.000 --> 00:00:02.500\nhappy 81%\n\n"
    cue = captions.caption(1, 2.5, "happy", 0.4, uncertain=True, channel=2)
    assert cue.splitlines()[1] == "<v Channel 2>happy? 40%"


def test_an_emotion_cannot_end_a_cue_or_be_markup() -> None:
    cue = captions.caption(0, 1, "<b>a & b\n\n00:00 --> 00:01", 1, uncertain=False, channel=None)
    assert cue.splitlines()[1:] == ["&lt;b&gt;a &amp; b 00:00 --&gt; 00:01 100%", ""]
    assert captions.note("one\n\ntwo --> three") == "NOTE one two -> three\n\n"


def test_a_cue_ends_after_its_start() -> None:
    assert captions.caption(1, 1, "a", 1, uncertain=False, channel=None).startswith("00:00:01.000 --> 00:00:01.001")
