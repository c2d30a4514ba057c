"""A file as a decoder should see it: without tags around it, and with lengths in its header that are true.

Recorders that crash and pipes that cannot seek back leave lengths of 0, of all ones, or of what was written so far.
Lengths that promise more than the file holds are put right, those that promise less only where what follows is no
chunk. Everything is found by walking a bounded number of chunks; nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal

from speech_emotion.audio.hints import Hints
from speech_emotion.audio.kinds import Kind, by_header, locate
from speech_emotion.audio.view import View

_ID3V1_BYTES, _APE_FOOTER_BYTES = 128, 32
_TAGGED = {Kind.FLAC, Kind.MP3, Kind.ADTS}
_MOST_CHUNKS = 1_000


@dataclass(frozen=True)
class Content:
    """What the bytes are, and the bytes from the container's first to its last."""

    kind: Kind
    data: View


def content_of(source: bytes | BinaryIO | View, hints: Hints) -> Content:
    """What bytes or an open file hold.

    The first bytes decide, and only samples without a header are what a content type says.

    Raises EmptyAudioError or UnsupportedFormatError.
    """
    data = source if isinstance(source, View) else View.of(source)
    if len(data) and hints.raw and by_header(data[:16]) is None:
        return Content(hints.raw.kind, data)
    kind, begin = locate(data)
    end = _before_tags(data) if kind in _TAGGED else len(data)
    whole = data.part(begin, end)
    return Content(kind, _MENDERS[kind](whole) if kind in _MENDERS else whole)


def _before_tags(data: View) -> int:
    """Where an ID3v1 tag and an APE tag before it begin, at the end of a file."""
    end = len(data)
    if data[max(0, end - _ID3V1_BYTES) : end].startswith(b"TAG"):
        end = max(0, end - _ID3V1_BYTES)
    footer = data[max(0, end - _APE_FOOTER_BYTES) : end]
    if footer.startswith(b"APETAGEX"):
        header = _APE_FOOTER_BYTES if footer[23] & 0x80 else 0
        end = max(0, end - int.from_bytes(footer[12:16], "little") - header)
    return end


@dataclass(frozen=True)
class _Chunks:
    """How a format writes its chunks: an ID, a length (of all of it, with `whole`), the content."""

    first: int
    id_bytes: int
    size_bytes: int
    order: Literal["little", "big"]
    align: int
    whole: bool = False

    @property
    def header(self) -> int:
        return self.id_bytes + self.size_bytes

    def size(self, data: View, at: int) -> int:
        """Bytes of content that the chunk at `at` promises; negative lengths count as none."""
        field = int.from_bytes(data[at + self.id_bytes : at + self.header], self.order)
        return max(0, field - self.header) if self.whole else field

    def after(self, at: int, size: int) -> int:
        """Where the chunk ends that begins at `at`."""
        end = at + self.header + size
        return end + -end % self.align

    def field(self, size: int) -> bytes:
        """A length as it is written, the most that can be for what is longer."""
        number = size + self.header if self.whole else size
        return min(number, (1 << 8 * self.size_bytes) - 1).to_bytes(self.size_bytes, self.order)

    def find(self, data: View, name: bytes) -> int | None:
        """Where the first chunk of this name begins."""
        at = self.first
        for _ in range(_MOST_CHUNKS):
            if at + self.header > len(data):
                return None
            if data[at : at + self.id_bytes].startswith(name):
                return at
            at = self.after(at, self.size(data, at))
        return None

    def held(self, data: View, at: int, promised: int) -> int:
        """Bytes of content that the chunk at `at` has, which is what it promises if that can be true."""
        begin = at + self.header
        there = len(data) - begin
        if promised > there:
            return there
        ends = {begin + promised, self.after(at, promised)}
        if any(self._is_chunk(data, end) for end in ends):
            return promised
        return promised if promised and data.zeros(begin + promised) == len(data) else there

    def _is_chunk(self, data: View, at: int) -> bool:
        """Whether a chunk may begin here, or too little is left for one."""
        left = len(data) - at - self.header
        name = data[at : at + 4]
        return left < 0 or (name.isascii() and name.decode().isprintable() and self.size(data, at) <= left)


_RIFF = _Chunks(12, 4, 4, "little", 2)
_RIFX = _Chunks(12, 4, 4, "big", 2)
_W64 = _Chunks(40, 16, 8, "little", 8, whole=True)
_CAF = _Chunks(8, 4, 8, "big", 1)


def _mend_data(data: View, chunks: _Chunks, name: bytes) -> View:
    at = chunks.find(data, name)
    if at is None:
        return data
    size = chunks.held(data, at, chunks.size(data, at))
    if size == 0:
        return data.part(0, at + chunks.header)  # a length of 0 means the rest of the file to FFmpeg
    return data.put(at + chunks.id_bytes, chunks.field(size))


def _mend_wav(data: View) -> View:
    """RF64 and BW64 keep the length of the samples in a chunk before them, `ds64` (EBU Tech 3306)."""
    if data[:4] == b"RIFX":
        return _mend_data(data, _RIFX, b"data")
    if data[:4] == b"RIFF":
        return _mend_data(data, _RIFF, b"data")
    sizes, samples = _RIFF.find(data, b"ds64"), _RIFF.find(data, b"data")
    if sizes is None or samples is None:
        return data
    field = sizes + _RIFF.header
    promised = int.from_bytes(data[field + 8 : field + 16], "little")
    true = (len(data) - 8, _RIFF.held(data, samples, promised), 0)  # of all, of the samples, their number: unknown
    return data.put(field, b"".join(size.to_bytes(8, "little") for size in true))


def _mend_w64(data: View) -> View:
    return _mend_data(data.put(16, len(data).to_bytes(8, "little")), _W64, b"data")


def _mend_aiff(data: View) -> View:
    """The samples begin after an offset and a block size; COMM says their number once more, which nobody needs."""
    data = _mend_data(data.put(4, _RIFX.field(len(data) - 8)), _RIFX, b"SSND")
    common = _RIFX.find(data, b"COMM")
    return data if common is None else data.put(common + _RIFX.header + 2, bytes(4))


def _mend_au(data: View) -> View:
    """All ones mean an unknown length, by the format's own definition: it is always read to the end of the file."""
    return data.put(8, b"\xff\xff\xff\xff")


_MENDERS: dict[Kind, Callable[[View], View]] = {
    Kind.WAV: _mend_wav,
    Kind.W64: _mend_w64,
    Kind.AIFF: _mend_aiff,
    Kind.CAF: lambda data: _mend_data(data, _CAF, b"data"),
    Kind.AU: _mend_au,
}
