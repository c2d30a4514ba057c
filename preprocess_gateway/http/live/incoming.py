"""From a client's frames to what they say: text messages, and bytes of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError
from websockets.frames import OP_BINARY, OP_CONT, OP_TEXT, Frame

from preprocess_gateway.errors import BadMessageError
from preprocess_gateway.http.live.messages import MAX_MESSAGE_BYTES, Finish, Start
from speech_emotion.invalid import first_fault


class Incoming:
    """Puts frames together: a text message may come in several, samples count from each."""

    def __init__(self) -> None:
        self._text: bytearray | None = None
        self._started = False

    def read(self, frames: Iterable[Frame]) -> Iterator[Start | Finish | bytes]:
        """What the frames say, in order: first a Start, then bytes of samples, joined, and a Finish.

        Raises BadMessageError for everything else.
        """
        samples = bytearray()
        for frame in frames:
            if frame.opcode is OP_BINARY or (frame.opcode is OP_CONT and self._text is None):
                if not self._started:
                    raise BadMessageError("the first message must be JSON in a text frame, which describes the samples")
                samples += frame.data
                continue
            if frame.opcode not in (OP_TEXT, OP_CONT):
                continue  # the protocol has answered
            if (message := self._read_text(frame)) is not None:
                if samples:
                    yield bytes(samples)
                    samples.clear()
                yield message
        if samples:
            yield bytes(samples)

    def _read_text(self, frame: Frame) -> Start | Finish | None:
        text = self._text = (self._text or bytearray()) + frame.data
        if len(text) > MAX_MESSAGE_BYTES:
            raise BadMessageError(f"a text message has at most {MAX_MESSAGE_BYTES} bytes; samples go in binary frames")
        if not frame.fin:
            return None
        self._text = None
        kind, self._started = (Finish if self._started else Start), True
        try:
            return kind.model_validate_json(bytes(text))
        except ValidationError as error:
            where, fault = first_fault(error)
            member = f"{str(where[0])[:40]}: " if where else ""  # what follows a member's name is pydantic's own
            expected = "finish" if kind is Finish else "start"
            raise BadMessageError(f"invalid `{expected}` message: {member}{fault}") from error
