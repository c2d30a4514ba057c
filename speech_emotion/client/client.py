"""The client for ordinary code; `aio` has the one for asyncio."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx

from speech_emotion.client.address import Address
from speech_emotion.client.answers import Answer, ServedVersion
from speech_emotion.client.calls import (
    DEFAULT_DEADLINE_S,
    DEFAULT_RETRIES,
    DEFAULT_URL,
    Attempts,
    Call,
    Channels,
    Question,
    predict_call,
    read_answer,
    read_answers,
    read_json,
    read_versions,
    recording_call,
    translate,
)
from speech_emotion.client.clips import ClipSource, open_recording
from speech_emotion.client.errors import ClientError, ProblemError
from speech_emotion.client.live import Encoding, StreamOptions
from speech_emotion.client.recordings import Recording
from speech_emotion.client.stream import Stream
from speech_emotion.input_files import MAX_CLIP_BYTES, MAX_RECORDING_BYTES


class Client:
    """Asks the service at `url`; safe to share between threads. Use it as a context manager, or `close` it.

    `deadline_s` is for a whole call with its retries, of which there are at most `retries`: after a 503 (as its
    Retry-After says) and after a lost connection. No step of a call (connect, send, each read) outlasts what
    is left of the deadline; reading the clip is no part of the call. `max_bytes` is the largest clip that is sent,
    and should be what the service takes (`GATEWAY_MAX_BODY_BYTES`). Calls with one `affinity_key` are answered by the
    same version while a canary gets a share of the clients. `transport` is httpx's, for tests and unusual
    ways to connect; without one, requests to other machines go through the environment's proxy.

    `url` may lack `http://`, and may end in `/predict`. Raises ValueError if it, or the proxy's, is no such URL.

    >>> with Client("http://127.0.0.1:8080") as client:  # doctest: +SKIP
    ...     print(client.predict("sample.wav").emotion)
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        retries: int = DEFAULT_RETRIES,
        affinity_key: str | None = None,
        max_bytes: int = MAX_CLIP_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._service = Address.parse(url)
        transport = transport or self._service.make_transport(httpx.HTTPTransport)
        self._http = httpx.Client(base_url=self._service.url, transport=transport)
        self._deadline_s = deadline_s
        self._retries = retries
        self._affinity_key = affinity_key
        self._max_bytes = max_bytes

    def predict(
        self,
        clip: ClipSource,
        *,
        sample_rate: int | None = None,
        top: int | None = None,
        emotions: Sequence[str] | None = None,
        timeline: bool = False,
        model: str | None = None,
        channels: Channels = "mix",
        track: int | None = None,
        deadline_s: float | None = None,
        traceparent: str | None = None,
    ) -> Answer:
        """The emotion of a path, bytes, a binary file, or samples `[samples]`, `[samples, channels]` with their Hz.

        `top`: return only the N most probable emotions; `emotions`: answer with one of these, a list or a text with
        commas (default: any that the model knows); `timeline`: each window's emotion too; `model`: the name of one that
        `models` lists, else the service's default; `channels`: `separate` answers each channel for itself, in
        `Answer.channels`, and the clip not at all; `track`: hear the Nth audio track of a file that has several,
        counted from 1 (default: the service chooses); `traceparent`: W3C's header.
        Raises ProblemError, UnreachableError, TimeoutExceededError, ProtocolError; ClipTooLargeError, OSError and
        ValueError for a clip that cannot be read. A device or a socket is no clip, a named pipe is one.
        """
        asked = Question(
            sample_rate=sample_rate,
            top=top,
            emotions=emotions,
            timeline=timeline,
            model=model,
            channels=channels,
            track=track,
            affinity_key=self._affinity_key,
            traceparent=traceparent,
        )
        call = predict_call([clip], asked, self._max_bytes)
        return read_answer(self._send(call, deadline_s), self._service)

    def predict_many(
        self,
        clips: Sequence[ClipSource],
        *,
        sample_rate: int | None = None,
        top: int | None = None,
        emotions: Sequence[str] | None = None,
        timeline: bool = False,
        model: str | None = None,
        channels: Channels = "mix",
        track: int | None = None,
        deadline_s: float | None = None,
        traceparent: str | None = None,
    ) -> list[Answer | ProblemError]:
        """Several clips in one request: in their order an Answer each, or the ProblemError that the clip alone has.

        The service takes so many in one request as its `GATEWAY_MAX_FILES` says. Arguments and errors are those of
        `predict`; `sample_rate` and `track` are those of all clips. An error that is raised concerns the request as a
        whole.
        """
        asked = Question(
            sample_rate=sample_rate,
            top=top,
            emotions=emotions,
            timeline=timeline,
            model=model,
            channels=channels,
            track=track,
            affinity_key=self._affinity_key,
            traceparent=traceparent,
        )
        call = predict_call(clips, asked, self._max_bytes)
        return read_answers(self._send(call, deadline_s), self._service)

    @contextmanager
    def recording(
        self,
        source: ClipSource,
        *,
        sample_rate: int | None = None,
        top: int | None = None,
        emotions: Sequence[str] | None = None,
        model: str | None = None,
        channels: Channels = "mix",
        track: int | None = None,
        max_bytes: int = MAX_RECORDING_BYTES,
        deadline_s: float | None = None,
        traceparent: str | None = None,
    ) -> Iterator[Recording]:
        """A long recording, whose windows come while it is heard; the other arguments are those of `predict`.

        A file is sent from the disk, a pipe from a temporary copy. `deadline_s` is how long the service may be silent,
        not how long the recording may take; it is tried again only before its first line. Leaving the block breaks off
        what is not answered yet.
        Raises what `predict` does when it begins and while it is iterated over, and RecordingError, a ProblemError with
        the windows before it, once it has begun.

        >>> with Client("http://127.0.0.1:8080") as client:  # doctest: +SKIP
        ...     with client.recording("call.m4a", channels="separate") as call:
        ...         for window in call:
        ...             print(window.start_s, window.channel, window.emotion)
        ...     print(call.summary.segments)
        """
        asked = Question(
            sample_rate=sample_rate,
            top=top,
            emotions=emotions,
            timeline=False,
            model=model,
            channels=channels,
            track=track,
            affinity_key=self._affinity_key,
            traceparent=traceparent,
        )
        silence_s = self._deadline_s if deadline_s is None else deadline_s
        with open_recording(source, sample_rate, max_bytes) as (name, content):
            response = self._begin(recording_call(name, content, asked), silence_s)
            try:
                yield Recording(response, silence_s, self._service)
            finally:
                response.close()

    def models(self, *, deadline_s: float | None = None) -> list[ServedVersion]:
        """What serves now; raises what `predict` does."""
        return read_versions(self._send(Call("GET", "v1/models", {}), deadline_s), self._service)

    def stream(
        self,
        *,
        sample_rate: int,
        encoding: Encoding = "pcm_s16le",
        channels: int = 1,
        stride_s: float | None = None,
        top: int | None = None,
        emotions: Sequence[str] | None = None,
        model: str | None = None,
        deadline_s: float | None = None,
        traceparent: str | None = None,
    ) -> Stream:
        """Open a live stream of samples with this rate in Hz; a context manager.

        `encoding`: of the bytes that are sent (`pcm_s16le`, `pcm_f32le`, `mulaw`); `channels`: interleaved, and mixed
        into one; `stride_s`: seconds between two windows, by default the model's own; `top`, `emotions`, `model`,
        `deadline_s`, `traceparent` as in `predict`. The deadline is for opening a connection, and for each time that
        one is made again. Raises what `predict` does.

        >>> with client.stream(sample_rate=16_000) as stream:  # doctest: +SKIP
        ...     for event in stream.hear(blocks):
        ...         print(event)
        """
        options = StreamOptions(
            sample_rate=sample_rate,
            encoding=encoding,
            channels=channels,
            stride_s=stride_s,
            top=top,
            emotions=emotions,
            model=model,
            affinity_key=self._affinity_key,
            traceparent=traceparent,
        )
        within_s = self._deadline_s if deadline_s is None else deadline_s
        return Stream(options, self._service, lambda: Attempts(within_s, self._retries))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, call: Call, silence_s: float) -> httpx.Response:
        """The response whose first line is here."""
        attempts = Attempts(math.inf, self._retries)
        while True:
            try:
                return self._try_to_begin(call, silence_s)
            except ClientError as error:
                time.sleep(attempts.pause_after(error))

    def _try_to_begin(self, call: Call, silence_s: float) -> httpx.Response:
        request = self._http.build_request(call.method, call.path, timeout=silence_s, **call.arguments)
        try:
            response = self._http.send(request, stream=True)
            if response.status_code != 200:
                response.read()
        except httpx.HTTPError as error:
            raise translate(error, silence_s, self._service) from error
        if response.status_code != 200:
            read_json(response, self._service)  # raises
        return response

    def _send(self, call: Call, deadline_s: float | None) -> httpx.Response:
        attempts = Attempts(self._deadline_s if deadline_s is None else deadline_s, self._retries)
        while True:
            try:
                return self._try(call, attempts)
            except ClientError as error:
                time.sleep(attempts.pause_after(error))

    def _try(self, call: Call, attempts: Attempts) -> httpx.Response:
        try:
            response = self._http.request(call.method, call.path, timeout=attempts.left_s, **call.arguments)
        except httpx.HTTPError as error:
            raise translate(error, attempts.deadline_s, self._service) from error
        if response.status_code == 503:
            read_json(response, self._service)  # raises
        return response
