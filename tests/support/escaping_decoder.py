"""A decoder process that is taken over: with each clip it tries whatever could harm, and says what became of it."""

from __future__ import annotations

import json

from speech_emotion.audio import worker
from speech_emotion.audio.source import Source
from speech_emotion.errors import CorruptAudioError
from tests.support.escapes import attempts, attempts_on_a_flac


def taken_over(*_: object) -> Source:
    raise CorruptAudioError(json.dumps(attempts() | attempts_on_a_flac()))


if __name__ == "__main__":
    worker.open_source = taken_over  # type: ignore[attr-defined]
    worker.main()
