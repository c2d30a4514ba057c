"""Every container that is read here, through PyAV (FFmpeg); an optional library.

FFmpeg opened by probing follows a playlist to other files and hosts. So the demuxer is named, never guessed; the
only input is memory, or a file that is open already; whatever it wants to open besides is refused, by name of protocol
and by callback.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NoReturn

import numpy as np

from speech_emotion.audio.content import Content
from speech_emotion.audio.hints import MAX_TRACKS, Hints
from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.track import BROKEN, CODECS, Track, codec_of, is_read
from speech_emotion.errors import AudioError, CorruptAudioError, TrackError, UnsupportedFormatError

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

OPTIONS = {
    "protocol_whitelist": "none",
    "format_whitelist": ",".join([*(kind.value for kind in Kind), "mp4,m4a,3gp,3g2,mj2,webm"]),
    "codec_whitelist": ",".join(sorted(CODECS)),
    "max_streams": str(MAX_TRACKS),
}
SILENT = 10 ** (-70 / 20)
"""A track with no sample above -70 dBFS is silent: a muted microphone, a second language that is not there."""
LISTENED_S = 60.0
"""How long a track is listened to before it is taken for a silent one."""


def open_container(content: Content, hints: Hints, limits: Limits, stack: ExitStack) -> Track:
    """The audio track that is meant, open as long as `stack`, with its first frame decoded.

    Without `hints.track` that is the container's default track, or the first; one that is silent, broken or in a
    codec that is not read gives way to the next that is not. A track is listened to for `LISTENED_S` seconds.

    Raises UnsupportedFormatError without PyAV, without an audio track or with a codec not in `CODECS`; TrackError
    for a track that is not there; CorruptAudioError or EmptyAudioError where nothing decodes.
    """
    if av is None:
        raise UnsupportedFormatError(
            f"{content.kind.name} is not supported: the extra `containers` (PyAV) is not installed"
        )
    container = _open(content, hints, stack)
    numbers = _by_preference(container.streams.audio, content.kind, hints.track)
    if len(numbers) == 1:
        return Track(container, content, numbers[0])
    for number in numbers:
        with ExitStack() as listening:
            if _is_audible(content, hints, number, limits, listening):
                return Track(_open(content, hints, stack), content, number)
    return Track(_open(content, hints, stack), content, numbers[0])


def _open(content: Content, hints: Hints, stack: ExitStack) -> Any:
    options = OPTIONS
    if hints.raw and hints.raw.kind is content.kind:
        options = options | {"sample_rate": str(hints.raw.sample_rate), "ch_layout": f"{hints.raw.channels}C"}
    try:
        file = content.data.file()
        return stack.enter_context(
            av.open(file, format=content.kind.value, options=options, io_open=_refuse, metadata_errors="ignore")
        )
    except BROKEN as error:
        unfinished = content.kind is Kind.MP4 and content.data.find(b"moov") < 0
        why = ": it has no index (`moov`), which is written when a recording ends" if unfinished else ""
        raise CorruptAudioError(f"the {content.kind.name} file is broken{why}") from error


def _refuse(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"an audio file must not refer to another file: {url[:80]}")


def _by_preference(streams: Any, kind: Kind, track: int | None) -> list[int]:
    """Which audio tracks to try, counted from 0. Raises TrackError or UnsupportedFormatError."""
    if not streams:
        raise UnsupportedFormatError(f"the {kind.name} file has no audio in it")
    if track is not None:
        if not 1 <= track <= len(streams):
            raise TrackError(f"there is no track {track}: the {kind.name} file has {len(streams)} with audio")
        codec_of(streams[track - 1], kind)
        return [track - 1]
    default = av.stream.Disposition.default
    numbers = sorted(range(len(streams)), key=lambda number: not streams[number].disposition & default)
    readable = [number for number in numbers if is_read(streams[number])]
    if not readable:
        codec_of(streams[numbers[0]], kind)
    return readable


def _is_audible(content: Content, hints: Hints, number: int, limits: Limits, stack: ExitStack) -> bool:
    try:
        track = Track(_open(content, hints, stack), content, number)
        frames = 0
        for block in track.blocks:
            frames += block.shape[0]
            if np.abs(block).max() > SILENT:
                return True
            limits.check_length(frames, track.info)
            if frames - track.filled > LISTENED_S * track.info.sample_rate:
                break
    except AudioError:
        pass
    return False
