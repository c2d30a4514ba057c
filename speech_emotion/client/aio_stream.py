"""A live stream for asyncio; the same calls as `Stream`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from speech_emotion.client.address import Address
from speech_emotion.client.calls import Attempts
from speech_emotion.client.course import Course
from speech_emotion.client.errors import ClientError
from speech_emotion.client.live import Event, Samples, StreamOptions, refused


class AsyncStream:
    """`Stream` for asyncio: see there. It is opened by `async with`; one task may send while another iterates."""

    def __init__(self, options: StreamOptions, service: Address, attempts: Callable[[], Attempts]) -> None:
        self._options = options
        self._service = service
        self._attempts = attempts
        self._course = Course(options, service, attempts)
        self._waiting: deque[Event] = deque()
        self._receiving = asyncio.Lock()  # taken before the other, where both are
        self._sending = asyncio.Lock()
        self._connection: ClientConnection

    async def send(self, samples: Samples) -> None:
        """Send samples: int16 or floats in -1..1, `[samples]` or `[samples, channels]`, or bytes in the encoding.

        Waits while the sound is further ahead of real time than the service takes.
        """
        async with self._sending:
            self._course.keep(samples)
        await self._push()

    async def finish(self) -> None:
        """Say that there are no more samples: what is left is answered, and iterating ends after the summary."""
        async with self._sending:
            self._course.finished = True
        await self._push()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Each LiveWindow and Now as it comes, and the End after `finish`."""
        while (event := await self._next()) is not None:
            yield event

    async def close(self) -> None:
        """Close the connection; what was not answered is given up."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        self._connection = await self._open(self._attempts())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _next(self) -> Event | None:
        while True:
            async with self._receiving:
                if self._waiting:
                    return self._waiting.popleft()
                if self._course.ended:
                    return None
                used = self._connection
                try:
                    async with asyncio.timeout(self._course.wait_s):
                        message = await used.recv()
                    event = self._course.read(message)
                except TimeoutError:
                    if not self._sending.locked():  # what a new connection could not take at once is sent here too
                        async with self._sending:
                            await self._try(used, self._course.due())
                    continue
                except ConnectionClosed as closed:
                    if (error := self._course.lost(closed)) is not None:
                        await self._reopen(error)
                    continue
            if event is not None:
                return event

    async def _push(self) -> None:
        """Send what is kept, no faster than the service takes it."""
        while not self._course.ended:
            async with self._sending:
                used = self._connection
                sent = await self._try(used, self._course.due())
            if not sent:
                await self._recover(used)
            elif (wait_s := self._course.wait_s) is None:
                return
            else:
                await asyncio.sleep(wait_s)

    async def _recover(self, broken: ClientConnection) -> None:
        """Go on after a connection on which nothing could be sent, unless another task has done so."""
        async with self._receiving:
            try:
                while broken is self._connection and not self._course.ended:
                    if (event := self._course.read(await broken.recv())) is not None:
                        self._waiting.append(event)
            except ConnectionClosed as closed:
                if (error := self._course.lost(closed)) is not None:
                    await self._reopen(error)

    async def _reopen(self, error: ClientError) -> None:
        attempts = self._course.new_connection()
        await asyncio.sleep(attempts.pause_after(error))
        async with self._sending:
            await self._connection.close()
            self._connection = await self._open(attempts)

    async def _open(self, attempts: Attempts) -> ClientConnection:
        while True:
            try:
                connection = await self._connect(attempts.left_s)
                await self._begin(connection, attempts.left_s)
                return connection
            except (OSError, InvalidHandshake, InvalidURI) as error:
                pause_s = attempts.pause_after(refused(error, attempts.deadline_s, self._service))
            await asyncio.sleep(pause_s)

    async def _begin(self, connection: ClientConnection, timeout_s: float) -> None:
        """Send nothing but the first message before it is answered. Raises TimeoutError."""
        try:
            await connection.send(self._course.opening())
            async with asyncio.timeout(timeout_s):
                message = await connection.recv()
            event = self._course.read(message)
        except ConnectionClosed:
            return  # whoever reads the connection next finds out why
        except (ClientError, TimeoutError):
            await connection.close()
            raise
        if event is not None:
            self._waiting.append(event)
        await self._try(connection, self._course.due())

    async def _connect(self, timeout_s: float) -> ClientConnection:
        proxy = self._service.proxy
        return await connect(
            self._options.url(self._service),
            additional_headers=self._options.headers,
            compression=None,
            open_timeout=timeout_s,
            close_timeout=2,
            proxy=None if proxy is None else str(proxy),
        )

    @staticmethod
    async def _try(connection: ClientConnection, messages: Iterable[str | bytes]) -> bool:
        try:
            for message in messages:
                await connection.send(message)
        except ConnectionClosed:
            return False
        return True
