"""Every container that is read here, through PyAV (FFmpeg); an optional library.

FFmpeg opened by probing follows a playlist to other files and hosts. So the demuxer is named, never guessed; the
only input is memory; whatever it wants to open besides is refused, by name of protocol and by callback.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.content import Content
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.kinds import READ_HERE, Kind
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import AudioError, CorruptAudioError, EmptyAudioError, TrackError, UnsupportedFormatError

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

Block = npt.NDArray[np.float32]
AVAILABLE = av is not None
_BROKEN: tuple[type[Exception], ...] = (OSError, ValueError, *([av.FFmpegError] if AVAILABLE else []))
CODECS = frozenset(
    [
        *("aac", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "alac", "amrnb", "amrwb", "eac3"),
        *("flac", "g722", "g726", "g726le", "gsm", "gsm_ms", "ilbc", "mp1float", "mp2float", "mp3float", "opus"),
        *("pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le"),
        *("pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "vorbis", "wmalossless"),
        *("wmapro", "wmav1", "wmav2", "wmavoice"),
    ]
)
"""FFmpeg's decoders that are used, by name."""
PREFERRED = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
"""FFmpeg's own decoders do not know the frames that stand for silence in AMR."""
OPTIONS = {
    "protocol_whitelist": "none",
    "format_whitelist": ",".join([*(kind.value for kind in Kind), "mp4,m4a,3gp,3g2,mj2,webm"]),
    "codec_whitelist": ",".join(sorted(CODECS)),
    "max_streams": "16",
}
BLOCK_FRAMES = 32_768
SILENT = 10 ** (-70 / 20)
"""A track with no sample above -70 dBFS is silent: a muted microphone, a second language that is not there."""
GAP_S = 0.45
"""A longer hole between frames means lost ones; where none is lost, Opus leaves out up to 0.4 s of a pause."""


def open_container(content: Content, hints: Hints, limits: Limits, stack: ExitStack) -> Track:
    """The audio track that is meant, open as long as `stack`, with its first frame decoded.

    Without `hints.track` that is the container's default track, or the first; one that is silent, broken or in a
    codec that is not read gives way to the next that is not.

    Raises UnsupportedFormatError without PyAV, without an audio track or with a codec not in `CODECS`; TrackError
    for a track that is not there; CorruptAudioError or EmptyAudioError where nothing decodes.
    """
    if av is None:
        raise UnsupportedFormatError(
            f"{content.kind.name} is not read here: the extra `containers` (PyAV) is not installed"
        )
    with ExitStack() as looking:
        streams = _open(content, hints, looking).streams.audio
        numbers = _by_preference(streams, content.kind, hints.track)
    for number in numbers if len(numbers) > 1 else ():
        with ExitStack() as listening:
            if _is_audible(content, hints, number, limits, listening):
                return Track(_open(content, hints, stack), content.kind, number)
    return Track(_open(content, hints, stack), content.kind, numbers[0])


def _open(content: Content, hints: Hints, stack: ExitStack) -> Any:
    options = OPTIONS
    if hints.raw and hints.raw.kind is content.kind:
        options = options | {"sample_rate": str(hints.raw.sample_rate), "ch_layout": f"{hints.raw.channels}C"}
    try:
        file = io.BytesIO(content.data)
        return stack.enter_context(
            av.open(file, format=content.kind.value, options=options, io_open=_refuse, metadata_errors="ignore")
        )
    except _BROKEN as error:
        raise CorruptAudioError(f"the {content.kind.name} file is broken") from error


def _refuse(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"an audio file may not name another: {url[:80]}")


def _by_preference(streams: Any, kind: Kind, track: int | None) -> list[int]:
    """Which audio tracks to try, counted from 0. Raises TrackError or UnsupportedFormatError."""
    if not streams:
        raise UnsupportedFormatError(f"the {kind.name} file has no audio in it")
    if track is not None:
        if not 1 <= track <= len(streams):
            raise TrackError(f"there is no track {track}: the {kind.name} file has {len(streams)} with audio")
        _codec(streams[track - 1], kind)
        return [track - 1]
    default = av.stream.Disposition.default
    numbers = sorted(range(len(streams)), key=lambda number: not streams[number].disposition & default)
    readable = [number for number in numbers if _is_read(streams[number])]
    if not readable:
        _codec(streams[numbers[0]], kind)
    return readable


def _is_read(stream: Any) -> bool:
    context = stream.codec_context  # there is none for a codec that FFmpeg cannot decode
    return context is not None and context.name in CODECS


def _codec(stream: Any, kind: Kind) -> str:
    """The codec's name. Raises UnsupportedFormatError."""
    name = str(stream.codec_context.codec.canonical_name) if stream.codec_context else "unknown"
    if not _is_read(stream):
        raise _unread(kind, name)
    return name


def _unread(kind: Kind, codec: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"the audio in the {kind.name} file is in the codec {codec}, which is not read here; these are: {READ_HERE}"
    )


def _decoder(stream: Any) -> Any:
    """The stream's decoder, or the one preferred for its codec where FFmpeg was built with it."""
    context = stream.codec_context
    if (name := PREFERRED.get(context.name)) in av.codecs_available:
        preferred: Any = av.CodecContext.create(name, "r")
        preferred.sample_rate, preferred.layout = context.sample_rate, context.layout
        context = preferred
    context.thread_count = 1
    return context


def _is_audible(content: Content, hints: Hints, number: int, limits: Limits, stack: ExitStack) -> bool:
    try:
        track = Track(_open(content, hints, stack), content.kind, number)
        frames = 0
        for block in track.blocks:
            frames += block.shape[0]
            if np.abs(block).max() > SILENT:
                return True
            limits.check_length(frames, track.info)
    except AudioError:
        pass
    return False


class Track:
    """One audio track of an open container, from its first frame to its last; what cannot be decoded is left out."""

    def __init__(self, container: Any, kind: Kind, number: int) -> None:
        """Rate and channels are those of the first frame, as headers do not know them always (HE-AAC).

        Raises CorruptAudioError or EmptyAudioError where nothing decodes; for a codec that cannot be decoded out of
        this container UnsupportedFormatError.
        """
        stream = container.streams.audio[number]
        codec = _codec(stream, kind)
        self._kind = kind
        self.damaged = False
        self._frames = self._decode(container, stream)
        self._first = next(self._frames, None)
        if self._first is None:
            if codec == "aac" and kind is Kind.WAV:  # nothing there says where a frame ends
                raise _unread(kind, codec)
            if self.damaged:
                raise CorruptAudioError(f"nothing in the {kind.name} file can be decoded")
            raise EmptyAudioError("the audio has no samples")
        rate, channels = self._first.sample_rate, self._first.layout.nb_channels
        self.info = AudioInfo(kind.name, codec.upper(), rate, channels, _promised(stream, rate))
        self.blocks = self._blocks()

    def _blocks(self) -> Iterator[Block]:
        """Float32 blocks `[frames, channels]`; frames of another rate or other channels are left out as damaged.

        Raises CorruptAudioError where these are the most.
        """
        waiting: list[Block] = []
        size = taken = odd = 0
        for frame in chain([self._first], self._frames):
            if (frame.sample_rate, frame.layout.nb_channels) != (self.info.sample_rate, self.info.channels):
                self.damaged = True
                odd += frame.samples
                continue
            waiting.append(_floats(frame, self.info.channels))
            size += frame.samples
            if size >= BLOCK_FRAMES:
                yield np.concatenate(waiting)
                taken, size = taken + size, 0
                waiting.clear()
        if odd > taken + size:
            raise CorruptAudioError("the audio changes its sample rate or channels on the way")
        if waiting:
            yield np.concatenate(waiting)

    def _decode(self, container: Any, stream: Any) -> Iterator[Any]:
        """Frames of what can be decoded; `damaged` is set by what cannot, and by holes between frames."""
        end_s = None
        decoder = _decoder(stream)
        if self._kind is Kind.CAF and decoder.name == "alac":  # its frames know where they end; CAF says so once more
            decoder.flags2 |= av.codec.context.Flags2.skip_manual
        for packet in self._packets(container, stream):
            try:
                frames = decoder.decode(_whole_samples(packet, decoder) if packet.size else None)
            except _BROKEN:
                self.damaged = True
                continue
            for frame in frames:
                late = frame.time is not None and end_s is not None and frame.time - end_s > GAP_S
                self.damaged |= late or frame.is_corrupt
                end_s = None if frame.time is None else frame.time + frame.samples / frame.sample_rate
                yield frame

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """Packets up to the end, or up to where the container cannot be followed any more."""
        try:
            yield from container.demux(stream)
        except _BROKEN:
            self.damaged = True


def _whole_samples(packet: Any, decoder: Any) -> Any:
    """PCM without the part of a sample that the end of a cut file holds: FFmpeg would refuse all of the packet."""
    if not decoder.name.startswith("pcm_"):
        return packet
    bits = int("".join(filter(str.isdigit, decoder.name)) or 8)
    rest = packet.size % (decoder.channels * bits // 8)
    if not rest:
        return packet
    whole = av.Packet(bytes(packet)[:-rest])
    whole.pts, whole.time_base = packet.pts, packet.time_base
    return whole


def _promised(stream: Any, rate: int) -> int:
    """What the header says, 0 where it says nothing; never believed."""
    return max(0, int(stream.duration * stream.time_base * rate)) if stream.duration and stream.time_base else 0


def _floats(frame: Any, channels: int) -> Block:
    """`[frames, channels]`, integers scaled to -1..1."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, np.float32)
    half = np.float32(2 ** (8 * values.dtype.itemsize - 1))
    scaled: Block = np.ascontiguousarray(values, np.float32)
    if values.dtype.kind == "u":
        scaled -= half
    scaled /= half
    return scaled
