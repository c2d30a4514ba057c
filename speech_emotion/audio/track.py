"""One audio track of an open container, decoded packet by packet: what cannot be decoded is left out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.content import Content
from speech_emotion.audio.kinds import READ_HERE, Kind
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.audio.timeline import Timeline
from speech_emotion.errors import CorruptAudioError, EmptyAudioError, UnsupportedFormatError

try:
    import av
    from av.audio.plane import AudioPlane
except ImportError:
    av = None  # type: ignore[assignment]

Block = npt.NDArray[np.float32]
AVAILABLE = av is not None
BROKEN: tuple[type[Exception], ...] = (OSError, ValueError, *([av.FFmpegError] if AVAILABLE else []))
"""What FFmpeg raises for bytes that it cannot follow."""
CODECS = frozenset(
    [
        *("aac", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "alac", "amrnb", "amrwb", "eac3"),
        *("flac", "g722", "g726", "gsm", "gsm_ms", "ilbc", "mp2", "mp2float", "mp3float", "opus"),
        *("pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le"),
        *("pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "vorbis", "wmalossless"),
        *("wmapro", "wmav1", "wmav2", "wmavoice"),
    ]
)
"""FFmpeg's decoders that are used, by name."""
UNFRAMED = {"speex", "vorbis"}
"""WAV has blocks of one size, and packets of these have many: what decodes there is chance."""
MISTAKEN = {("g726", "@\0\0\0"): "G.721", ("amrnb", "8\0\0\0"): "NMS ADPCM"}
"""What FFmpeg takes for another codec, by decoder and format tag. Of `g726le`, G.721 and G.723 in AU, it strays from
what was recorded; libsndfile does not, but calls code that it writes, which a confined decoder must not."""
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
"""What may lie between frames of MP3 and ADTS and after them, where files are joined or tagged: it is no damage,
though the frame behind it goes with it."""
PREFERRED = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
"""FFmpeg's own decoders do not know the frames that stand for silence in AMR."""
_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
BLOCK_FRAMES, SILENCE_FRAMES = 32_768, 4_096
GAP_S, PAUSE_S = 0.1, 0.45
"""A longer hole between frames means lost ones. Some containers may leave out a pause of speech, up to 0.4 s at once
(Opus, RFC 7587)."""
TIMED = {Kind.MATROSKA, Kind.MP4}
"""These alone say of every frame when it sounds. The others count samples, start again where streams are chained
(Ogg), or leave frames without a time (ASF): what they hold is heard without a break."""
UNREAD_BYTES = 2_048
"""More than that behind the last packet, and none of `AFTER_CLUSTERS` at its beginning, is what FFmpeg passed over in
search of something that it knows."""
AFTER_CLUSTERS = tuple(map(bytes.fromhex, ("1c53bb6b", "1254c367", "114d9b74", "1043a770", "1941a469")))
"""What Matroska has behind its packets (RFC 9559): Cues, the index, which grows with the length; Tags, SeekHead,
Chapters, Attachments."""


class Track:
    """What `source.Source` describes: rate and channels of the first frame, and blocks up to the last.

    `filled`: samples per channel so far that are silence in place of what the container leaves out.
    """

    def __init__(self, container: Any, content: Content, number: int) -> None:
        """`number`: which of the container's audio tracks, counted from 0. Its first frame is decoded.

        Raises CorruptAudioError or EmptyAudioError where nothing decodes; UnsupportedFormatError for a codec that is
        not in `CODECS`, or cannot be decoded out of this container.
        """
        kind = content.kind
        self._container, self._stream, self._kind = container, container.streams.audio[number], kind
        self._content = content
        self.damaged = False
        self.filled = 0
        codec = _stored(codec_of(self._stream, kind), content)
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            if codec == "aac" and kind is Kind.WAV:  # nothing there says where a frame ends
                raise unread(kind, codec)
            if self.damaged:
                raise CorruptAudioError(f"nothing in the {kind.name} file can be decoded")
            raise EmptyAudioError("the audio has no samples")
        # The headers do not always know these (HE-AAC).
        rate, channels = self._first.sample_rate, self._first.layout.nb_channels
        self._timeline = _timeline(container, self._stream, self._first, kind)
        promised = _promised(self._stream, rate)
        if promised and kind is Kind.MP4:  # Matroska counts from the beginning of the container
            promised += self._timeline.missing(self._first.time, 0)
        self.info = AudioInfo(kind.name, codec.upper(), rate, channels, promised)
        self.blocks = self._blocks()

    def _blocks(self) -> Iterator[Block]:
        """Float32 blocks `[frames, channels]`. Raises as `_pieces`."""
        waiting: list[Block] = []
        size = taken = 0
        for piece in self._pieces():
            if size >= BLOCK_FRAMES:
                yield np.concatenate(waiting)
                taken, size = taken + size, 0
                waiting.clear()
            waiting.append(piece)
            size += len(piece)
        if waiting:
            waiting[-1] = waiting[-1][: self._unpadded(taken + size, len(waiting[-1]))]
            yield np.concatenate(waiting)

    def _pieces(self) -> Iterator[Block]:
        """The frames, each at its time: silence, counted in `filled`, stands for what is missing before it.

        Frames of another rate or other channels are left out as damaged. Raises CorruptAudioError where these are the
        most.
        """
        heard = odd = 0
        for frame in chain([self._first], self._frames):
            if (frame.sample_rate, frame.layout.nb_channels) != (self.info.sample_rate, self.info.channels):
                self.damaged = True
                odd += frame.samples
                continue
            missing = self._timeline.missing(frame.time, heard + self.filled)
            for at in range(0, missing, SILENCE_FRAMES):  # a time may be years away: the reader stops at its limit
                silence = np.zeros((min(SILENCE_FRAMES, missing - at), self.info.channels), np.float32)
                self.filled += len(silence)
                yield silence
            heard += frame.samples
            yield _floats(frame, self.info.channels)
        if odd > heard:
            raise CorruptAudioError("the audio changes its sample rate or channels on the way")

    def _unpadded(self, frames: int, last: int) -> int:
        """How much of the `last` samples is no padding: an MP4's edit list says how long a track is, to a millisecond.

        FFmpeg trims the beginning by it, not the end. Never more than the last frame goes: it may be untrue.
        """
        padding = frames - self.info.frames - self.info.sample_rate // 1_000
        return last - padding if self._kind is Kind.MP4 and self.info.frames and 0 < padding < last else last

    def _decode(self) -> Iterator[Any]:
        """Frames of what can be decoded; `damaged` is set by what cannot, and by holes between frames."""
        end_s = None
        hole_s = PAUSE_S if self._kind in TIMED else GAP_S
        decoder = _decoder(self._stream, self._content)
        for packet in chain(self._packets(), [None]):  # None: what the decoder still holds
            try:
                frames = decoder.decode(packet and _whole_samples(packet, decoder))
            except BROKEN:
                # One byte is what makes a chunk's length even.
                self.damaged |= packet is None or (packet.size > 1 and not _is_tag(packet, self._kind))
                continue
            for frame in frames:
                late = frame.time is not None and end_s is not None and frame.time - end_s > hole_s
                self.damaged |= late or frame.is_corrupt
                end_s = None if frame.time is None else frame.time + frame.samples / frame.sample_rate
                yield frame

    def _packets(self) -> Iterator[Any]:
        """Packets with content up to the end, or up to where the container cannot be followed any more."""
        read_to = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    read_to = max(read_to, (packet.pos or 0) + packet.size)
                    yield packet
        except BROKEN:
            self.damaged = True
        if self._kind is Kind.MATROSKA and len(self._container.streams) == 1:
            data = self._content.data
            end = data[read_to : read_to + UNREAD_BYTES]
            self.damaged |= len(data) - read_to > UNREAD_BYTES and not any(name in end for name in AFTER_CLUSTERS)


def is_read(stream: Any) -> bool:
    """Whether the stream is in a codec of `CODECS`."""
    context = stream.codec_context  # there is none for a codec that FFmpeg cannot decode
    return context is not None and context.name in CODECS


def codec_of(stream: Any, kind: Kind) -> str:
    """The codec's name. Raises UnsupportedFormatError."""
    name = str(stream.codec_context.codec.canonical_name) if stream.codec_context else "unknown"
    if mistaken := MISTAKEN.get((stream.codec_context.name, _tag(stream))) if stream.codec_context else None:
        raise unread(kind, mistaken)
    if not is_read(stream) or (kind in (Kind.WAV, Kind.W64) and name in UNFRAMED):
        raise unread(kind, name)
    return name


def _tag(stream: Any) -> str:
    """The container's name for the codec, four characters; none where it is no text."""
    try:
        return str(stream.codec_context.codec_tag)
    except UnicodeDecodeError:
        return ""


def unread(kind: Kind, codec: str) -> UnsupportedFormatError:
    """The error for a codec that is not read."""
    return UnsupportedFormatError(
        f"the audio in the {kind.name} file is in the codec {codec}, which is not read here; these are: {READ_HERE}"
    )


def _stored(codec: str, content: Content) -> str:
    """The codec, with the order of the bytes of PCM: FFmpeg reads the header of a RIFX, and overlooks what it says."""
    big = content.kind is Kind.WAV and content.data[:4] == b"RIFX" and codec.startswith("pcm_")
    return codec.removesuffix("le") + "be" if big and codec.endswith("le") else codec


def _decoder(stream: Any, content: Content) -> Any:
    """The stream's decoder, or the one preferred for its codec where FFmpeg was built with it."""
    context = stream.codec_context
    name = PREFERRED.get(context.name) or _stored(context.name, content)
    if name != context.name and name in av.codecs_available:
        preferred: Any = av.CodecContext.create(name, "r")
        preferred.sample_rate, preferred.layout = context.sample_rate, context.layout
        context = preferred
    context.thread_count = 1
    if content.kind is Kind.CAF and context.name == "alac":  # its frames know where they end, and CAF says so once more
        context.flags2 |= av.codec.context.Flags2.skip_manual
    return context


def _is_tag(packet: Any, kind: Kind) -> bool:
    return kind in (Kind.MP3, Kind.ADTS) and bytes(packet).startswith(TAGS)


def _whole_samples(packet: Any, decoder: Any) -> Any:
    """PCM without the part of a sample that the end of a cut file holds: FFmpeg would refuse all of the packet."""
    if not decoder.name.startswith("pcm_"):
        return packet
    bits = int("".join(filter(str.isdigit, decoder.name)) or 8)
    rest = packet.size % max(1, decoder.channels * bits // 8)
    if not rest:
        return packet
    whole = av.Packet(bytes(packet)[:-rest])
    whole.pts, whole.time_base = packet.pts, packet.time_base
    return whole


def _timeline(container: Any, stream: Any, first: Any, kind: Kind) -> Timeline:
    """When the samples sound, as a player has it: the container begins with the first of its streams."""
    if kind not in TIMED or first.time is None:
        return Timeline(None, first.sample_rate)
    # What is before 0 is what a codec needs to begin with, and is not played.
    start_s = first.time if container.start_time is None else max(0.0, container.start_time / av.time_base)
    return Timeline(min(start_s, first.time), first.sample_rate, float(stream.time_base or 0))


def _promised(stream: Any, rate: int) -> int:
    """What the header says, 0 where it says nothing; never believed."""
    return max(0, int(stream.duration * stream.time_base * rate)) if stream.duration and stream.time_base else 0


def _floats(frame: Any, channels: int) -> Block:
    """`[frames, channels]`, integers scaled to -1..1."""
    dtype = np.dtype(_TYPES[frame.format.packed.name])
    # Not `frame.planes` or `to_ndarray`: both read past the end of the planes where there are eight.
    if frame.format.is_planar:
        planes: list[Any] = [AudioPlane(frame, channel) for channel in range(channels)]
        values = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes], axis=1)
    else:
        plane: Any = AudioPlane(frame, 0)
        values = np.frombuffer(plane, dtype, frame.samples * channels).reshape(-1, channels)
    floats: Block = values.astype(np.float32)
    if dtype.kind == "f":
        return floats
    half = np.float32(2 ** (8 * dtype.itemsize - 1))
    if dtype.kind == "u":
        floats -= half
    floats /= half
    return floats
