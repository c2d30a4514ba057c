"""Frames of MPEG audio (layers II and III) and of AAC in ADTS: files of these have no header, frames follow each other.

Text in UTF-16 begins as a frame of layer I does, which nobody sends any more: it is not read.

Headers: ISO/IEC 11172-3 section 2.4.1.3, 13818-3 for the lower rates, 13818-7 section 6.2 for ADTS.
"""

from __future__ import annotations

from enum import Enum

from speech_emotion.audio.view import View

SEARCHED_BYTES = 65_536
"""How far the first frame is looked for: a cut file begins in the middle of one."""
CHAINED = 3
"""As many frames in a row are no coincidence."""


class Layer(Enum):
    """What the frames hold; the value is the layer field of the header."""

    ADTS = 0
    III = 1
    II = 2


_KBITS = {
    (True, Layer.II): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, Layer.III): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, Layer.II): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, Layer.III): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_HEADER_BYTES = 7
_LAYER_I = 3


def find(data: View, begin: int) -> tuple[Layer, int] | None:
    """The first frame at or soon after `begin` of a file of frames, whatever lies between."""
    searched = data[begin : begin + SEARCHED_BYTES]
    first = _frame(searched[:_HEADER_BYTES])
    at = searched.find(b"\xff")
    while at >= 0:
        if chained := _chain(data, begin + at, whole=at == 0):
            return chained[0], begin if first and first[:2] == chained else begin + at
        at = searched.find(b"\xff", at + 1)
    return (first[0], begin) if first else None  # a damaged file may have no such row


def _chain(data: View, at: int, *, whole: bool) -> tuple[Layer, int] | None:
    """Layer and sample rate, if a row of frames begins here that is long enough; `whole`: or ends with the file."""
    first = _frame(data[at : at + _HEADER_BYTES])
    for _ in range(CHAINED):
        frame = _frame(data[at : at + _HEADER_BYTES])
        if first is None or frame is None or frame[:2] != first[:2]:
            return None
        at += frame[2]
        if whole and at >= len(data):
            break
    return first[:2] if first else None


def _frame(header: bytes) -> tuple[Layer, int, int] | None:
    """Layer, sample rate in Hz and bytes of the frame; None for what is no header."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    field = header[1] >> 1 & 3
    if field == _LAYER_I:
        return None
    layer = Layer(field)
    if layer is Layer.ADTS:
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        rate = header[2] >> 2 & 15
        return (layer, rate, length) if header[1] & 0xF0 == 0xF0 and rate < 13 and length > _HEADER_BYTES else None
    version, bits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return None
    bits_per_s, hz = 1_000 * _KBITS[version == 3, layer][bits - 1], _RATES[version][rate]
    padding = header[2] >> 1 & 1
    return layer, hz, (144 if version == 3 or layer is Layer.II else 72) * bits_per_s // hz + padding
