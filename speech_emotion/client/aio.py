"""The client for asyncio; the same calls as `Client`."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import anyio
import httpx

from speech_emotion.client.address import Address
from speech_emotion.client.aio_stream import AsyncStream
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
from speech_emotion.client.errors import ClientError, ProblemError, TimeoutExceededError
from speech_emotion.client.live import Encoding, StreamOptions
from speech_emotion.client.recordings import AsyncRecording
from speech_emotion.input_files import MAX_CLIP_BYTES, MAX_RECORDING_BYTES


class AsyncClient:
    """`Client` for asynchronous code: see there. A call that is cancelled is given up at once."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        retries: int = DEFAULT_RETRIES,
        affinity_key: str | None = None,
        max_bytes: int = MAX_CLIP_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._service = Address.parse(url)
        transport = transport or self._service.make_transport(httpx.AsyncHTTPTransport)
        self._http = httpx.AsyncClient(base_url=self._service.url, transport=transport)
        self._deadline_s = deadline_s
        self._retries = retries
        self._affinity_key = affinity_key
        self._max_bytes = max_bytes

    async def predict(
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
        """The emotion of a clip: arguments and errors are those of `Client.predict`."""
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
        call = await self._prepare([clip], asked)
        return read_answer(await self._send(call, deadline_s), self._service)

    async def predict_many(
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
        """Several clips in one request: arguments and errors are those of `Client.predict_many`."""
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
        call = await self._prepare(clips, asked)
        return read_answers(await self._send(call, deadline_s), self._service)

    @asynccontextmanager
    async def recording(
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
    ) -> AsyncIterator[AsyncRecording]:
        """A long recording, whose windows come while it is heard: arguments and errors are those of `Client.recording`.

        >>> async with client.recording("call.m4a") as call:  # doctest: +SKIP
        ...     async for window in call:
        ...         print(window.start_s, window.emotion)
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
        with ExitStack() as held:
            opening = open_recording(source, sample_rate, max_bytes)
            name, content = await anyio.to_thread.run_sync(held.enter_context, opening, abandon_on_cancel=True)
            response = await self._begin(recording_call(name, content, asked), silence_s)
            try:
                yield AsyncRecording(response, silence_s, self._service)
            finally:
                await response.aclose()

    async def models(self, *, deadline_s: float | None = None) -> list[ServedVersion]:
        """What serves now; raises what `predict` does."""
        return read_versions(await self._send(Call("GET", "v1/models", {}), deadline_s), self._service)

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
    ) -> AsyncStream:
        """Open a live stream by `async with`, on asyncio: arguments and errors are those of `Client.stream`."""
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
        return AsyncStream(options, self._service, lambda: Attempts(within_s, self._retries))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _prepare(self, clips: Sequence[ClipSource], asked: Question) -> Call:
        # It reads a file, or encodes samples; a pipe may be silent for as long as it likes.
        return await anyio.to_thread.run_sync(predict_call, clips, asked, self._max_bytes, abandon_on_cancel=True)

    async def _begin(self, call: Call, silence_s: float) -> httpx.Response:
        attempts = Attempts(math.inf, self._retries)
        while True:
            try:
                return await self._try_to_begin(call, silence_s)
            except ClientError as error:
                await anyio.sleep(attempts.pause_after(error))

    async def _try_to_begin(self, call: Call, silence_s: float) -> httpx.Response:
        request = self._http.build_request(call.method, call.path, timeout=silence_s, **call.arguments)
        try:
            response = await self._http.send(request, stream=True)
            if response.status_code != 200:
                await response.aread()
        except httpx.HTTPError as error:
            raise translate(error, silence_s, self._service) from error
        if response.status_code != 200:
            read_json(response, self._service)  # raises
        return response

    async def _send(self, call: Call, deadline_s: float | None) -> httpx.Response:
        attempts = Attempts(self._deadline_s if deadline_s is None else deadline_s, self._retries)
        while True:
            try:
                return await self._try(call, attempts)
            except ClientError as error:
                await anyio.sleep(attempts.pause_after(error))

    async def _try(self, call: Call, attempts: Attempts) -> httpx.Response:
        try:
            with anyio.fail_after(attempts.left_s):
                response = await self._http.request(call.method, call.path, timeout=attempts.left_s, **call.arguments)
        except TimeoutError:
            raise TimeoutExceededError(f"no answer within {attempts.deadline_s:g} s") from None
        except httpx.HTTPError as error:
            raise translate(error, attempts.deadline_s, self._service) from error
        if response.status_code == 503:
            read_json(response, self._service)  # raises
        return response
