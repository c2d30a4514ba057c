"""M4A, ADTS and WebM, and files that name other files."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import av
import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import AudioInfo, Hints, Limits, containers, decode
from speech_emotion.audio.content import Content
from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.view import View
from tests.support import clips, sent
from tests.support.watched import watched

PHONES = [("ipod", "aac"), ("ipod", "alac"), ("mp4", "aac"), ("webm", "libopus"), ("adts", "aac")]


@pytest.mark.parametrize(("container", "codec"), PHONES)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_phones_and_browsers_record_gives_back_the_tone(container: str, codec: str, channels: int) -> None:
    samples, info = decode(clips.contained(container, codec, channels=channels), Limits())
    assert (info.sample_rate, info.channels) == (48_000, channels)
    assert info.duration_s == pytest.approx(1.0, abs=0.05)
    assert samples.shape == (channels, info.frames)
    inner = samples[:, 8_000:40_000]
    assert np.sqrt((inner**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    loudest = np.fft.rfft(inner[0]).__abs__().argmax() * 48_000 / inner.shape[1]
    assert loudest == pytest.approx(440, abs=2)


def test_opus_in_ogg_is_heard() -> None:
    samples, info = decode(clips.tone(1.0, 48_000, format="OGG", subtype="OPUS"), Limits())
    assert (info.format, info.subtype) == ("OGG", "OPUS")
    original = decode(clips.tone(1.0, 48_000), Limits())[0]
    assert samples[0, 8_000:40_000].std() == pytest.approx(original[0, 8_000:40_000].std(), rel=0.05)


@pytest.mark.parametrize(("container", "codec"), PHONES)
def test_a_clip_that_is_too_long_is_refused_wherever_its_header_ends(container: str, codec: str) -> None:
    clip = clips.contained(container, codec, seconds=2.0)
    with pytest.raises(errors.DurationError):
        decode(clip, Limits(max_duration_s=1.0))
    with pytest.raises(errors.SamplesError):
        decode(clip, Limits(max_decoded_samples=50_000))


@pytest.mark.parametrize(("container", "codec"), [("ipod", "aac"), ("webm", "libopus")])
def test_half_a_file_is_corrupt_or_answered_for_what_is_there(container: str, codec: str) -> None:
    clip = clips.contained(container, codec)
    if container == "webm":  # made to be cut off: a recorder that was closed
        assert 0.2 < decode(clip[: len(clip) // 2], Limits())[1].duration_s < 0.8
    else:
        with pytest.raises(errors.CorruptAudioError):
            decode(clip[: len(clip) // 2], Limits())


def test_a_codec_that_is_not_listed_is_unsupported() -> None:
    with pytest.raises(errors.UnsupportedFormatError, match=r"the codec wavpack, .* these are: WAV"):
        decode(clips.contained("matroska", "wavpack"), Limits())


def test_without_pyav_the_error_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from speech_emotion.audio import decode, Limits\n"
        "try: decode(b'\\0\\0\\0\\x1cftypM4A ' + bytes(100), Limits())\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("UnsupportedFormatError MP4")
    assert "`containers` (PyAV)" in done.stdout


HEADERS = {form: sent.write(form, sent.tone(0.1))[:60] for form in sent.FORMS}


def test_without_pyav_libsndfile_reads_what_it_knows(tmp_path: Path) -> None:
    """And what is cut off: FLAC, of which a frame is missing, says so."""
    forms = ["WAV, 24 bit", "W64", "AIFF", "AU", "FLAC", "Ogg, Opus"]
    for number, form in enumerate(forms):
        (tmp_path / f"{number}").write_bytes(sent.write(form, sent.tone(1.0)))
    (tmp_path / "cut").write_bytes(sent.write("FLAC", sent.tone(1.0))[:-200])
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from pathlib import Path\n"
        "from speech_emotion.audio import decode, Limits\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    info = decode(path.read_bytes(), Limits())[1]\n"
        "    print(info.format, round(info.duration_s, 1), info.damaged)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        *(f"{sent.FORMS[form].format} 1.0 False" for form in forms),
        "FLAC 0.9 True",
    ]


def playlists(canary: Path) -> dict[str, bytes]:
    """Files that name `canary`, as FFmpeg's demuxers follow them."""
    name = str(canary).encode()
    hls = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nfile://" + name + b"\n#EXT-X-ENDLIST\n"
    concat = b"ffconcat version 1.0\nfile '" + name + b"'\n"
    dash = (
        b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
        b'<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>file://'
        + name
        + b"</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    header = clips.contained("ipod", "aac")[:28]
    return {
        "ffconcat": concat,
        "hls": hls,
        "dash": dash,
        "hls behind an MP4 header": header + hls,
        "ffconcat behind an MP4 header": header + concat,
        "hls behind a WebM header": clips.contained("webm", "libopus")[:40] + hls,
        "MP4 whose samples lie elsewhere": elsewhere(name),
        **{f"hls behind a header of {form}": HEADERS[form] + hls for form in HEADERS},
        **{f"ffconcat behind a header of {form}": HEADERS[form] + concat for form in HEADERS},
    }


def elsewhere(name: bytes) -> bytes:
    """An M4A whose data reference is a URL to another file instead of `this file`."""
    clip = clips.contained("ipod", "aac")
    at = clip.index(b"url \x00\x00\x00\x01") - 4
    url = b"file://" + name + b"\x00"
    entry = (12 + len(url)).to_bytes(4, "big") + b"url \x00\x00\x00\x00" + url
    grown = bytearray(clip[:at] + entry + clip[at + 12 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = grown.index(box) - 4
        size = int.from_bytes(grown[start : start + 4], "big") + len(entry) - 12
        grown[start : start + 4] = size.to_bytes(4, "big")
    return bytes(grown)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary.wav"
    path.write_bytes(clips.tone())
    return path


@pytest.mark.parametrize("name", playlists(Path("/x")))
def test_no_other_file_is_read(canary: Path, name: str) -> None:
    with watched(canary.parent) as watch:
        try:
            heard: tuple[np.ndarray, AudioInfo] | None = decode(playlists(canary)[name], Limits())
        except errors.AudioError:
            heard = None
        assert not watch.opened()
    if heard:  # the file's own samples or its text taken for PCM, never the canary's
        assert heard[1].frames != clips.RATE


def test_the_watch_sees_what_probing_would_read(canary: Path) -> None:
    with watched(canary.parent) as watch:
        with av.open(io.BytesIO(playlists(canary)["ffconcat"]), format="concat", options={"safe": "0"}) as container:
            assert container.streams.audio
        assert watch.opened()


@pytest.mark.parametrize(("name", "demuxer"), [("hls", "hls"), ("ffconcat", "concat")])
def test_a_demuxer_that_wants_another_file_is_refused(
    canary: Path, monkeypatch: pytest.MonkeyPatch, name: str, demuxer: str
) -> None:
    """The second wall: even a demuxer that follows names, which is never chosen, gets nothing."""
    monkeypatch.delitem(containers.OPTIONS, "format_whitelist")
    monkeypatch.delitem(containers.OPTIONS, "protocol_whitelist")
    chosen = cast(Kind, SimpleNamespace(name=demuxer, value=demuxer))
    with watched(canary.parent) as watch:
        with pytest.raises(errors.AudioError), ExitStack() as stack:
            containers.open_container(Content(chosen, View.of(playlists(canary)[name])), Hints(), Limits(), stack)
        assert not watch.opened()
