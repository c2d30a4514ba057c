"""WebVTT: captions that any player shows under a recording (W3C, WebVTT: The Web Video Text Tracks Format)."""

from __future__ import annotations

MEDIA_TYPE = "text/vtt"
HEADER = "WEBVTT\n\n"


def caption(
    start_s: float, end_s: float, emotion: str, confidence: float, *, uncertain: bool, channel: int | None
) -> str:
    """A cue: an emotion between two times in seconds, as in `happy 81%`; an uncertain one has a question mark.

    The channel, counted from 1, becomes the voice that speaks: players may show it, and style each voice.
    """
    voice = "" if channel is None else f"<v Channel {channel}>"
    said = f"{escape(emotion)}{'?' if uncertain else ''} {confidence:.0%}"
    return f"{timestamp(start_s)} --> {timestamp(max(end_s, start_s + 0.001))}\n{voice}{said}\n\n"


def note(text: str) -> str:
    """A comment, which players do not show."""
    return f"NOTE {' '.join(text.split()).replace('-->', '->')}\n\n"


def escape(text: str) -> str:
    """Text as a cue may hold it: on one line, its markup taken as text."""
    plain = " ".join(text.split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def timestamp(seconds: float) -> str:
    """`HH:MM:SS.mmm`, rounded to milliseconds."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"
