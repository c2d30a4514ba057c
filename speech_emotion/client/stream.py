"""A live stream for ordinary code; `aio_stream` has the one for asyncio."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from speech_emotion.client.address import Address
from speech_emotion.client.calls import Attempts
from speech_emotion.client.course import Course
from speech_emotion.client.errors import ClientError
from speech_emotion.client.live import Event, Samples, StreamOptions, refused


class Stream:
    """A live stream, as `Client.stream` opens it: one thread may send while another iterates.

    A connection that is lost, or that the service closes because it restarts, is made again; the samples that were not
    answered are sent once more, so that no window is missing. Raises what `Client.predict` does: ProblemError for what
    the service refuses, UnreachableError if it is away for longer than the deadline allows.
    """

    def __init__(self, options: StreamOptions, service: Address, attempts: Callable[[], Attempts]) -> None:
        self._options = options
        self._service = service
        self._attempts = attempts
        self._course = Course(options, service, attempts)
        self._waiting: deque[Event] = deque()
        self._receiving = threading.Lock()  # taken before the other, where both are
        self._sending = threading.Lock()
        self._connection = self._open(attempts())

    def send(self, samples: Samples) -> None:
        """Send samples: int16 or floats in -1..1, `[samples]` or `[samples, channels]`, or bytes in the encoding.

        Waits while the sound is further ahead of real time than the service takes.
        """
        with self._sending:
            self._course.keep(samples)
        self._push()

    def finish(self) -> None:
        """Say that there are no more samples: what is left is answered, and iterating ends after the summary."""
        with self._sending:
            self._course.finished = True
        self._push()

    def hear(self, blocks: Iterable[Samples]) -> Iterator[Event]:
        """Send blocks as they come, finish, and give the events meanwhile; the last is the End."""
        try:
            for block in blocks:
                self.send(block)
                while (event := self._next(0)) is not None:
                    yield event
            self.finish()
        except ClientError:
            while self._waiting:  # answered before the connection was found to be closed
                yield self._waiting.popleft()
            raise
        yield from self

    def __iter__(self) -> Iterator[Event]:
        """Each LiveWindow and Now as it comes, and the End after `finish`."""
        while (event := self._next(None)) is not None:
            yield event

    def close(self) -> None:
        """Close the connection; what was not answered is given up."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, timeout_s: float | None) -> Event | None:
        while True:
            with self._receiving:
                if self._waiting:
                    return self._waiting.popleft()
                if self._course.ended:
                    return None
                used = self._connection
                try:
                    event = self._course.read(used.recv(self._course.wait_s if timeout_s is None else timeout_s))
                except TimeoutError:
                    if timeout_s is not None:
                        return None
                    self._push_if_nobody_does(used)
                    continue
                except ConnectionClosed as closed:
                    if (error := self._course.lost(closed)) is not None:
                        self._reopen(error)
                    continue
            if event is not None:
                return event

    def _push(self) -> None:
        """Send what is kept, no faster than the service takes it."""
        while not self._course.ended:
            with self._sending:
                used = self._connection
                sent = self._try(used, self._course.due())
            if not sent:
                self._recover(used)
            elif (wait_s := self._course.wait_s) is None:
                return
            else:
                time.sleep(wait_s)

    def _push_if_nobody_does(self, used: ClientConnection) -> None:
        """Who sends may wait for something else: what a new connection could not take at once is sent here too."""
        if self._sending.acquire(blocking=False):
            try:
                self._try(used, self._course.due())
            finally:
                self._sending.release()

    def _recover(self, broken: ClientConnection) -> None:
        """Go on after a connection on which nothing could be sent, unless another thread has done so."""
        with self._receiving:
            try:
                while broken is self._connection and not self._course.ended:
                    if (event := self._course.read(broken.recv())) is not None:
                        self._waiting.append(event)
            except ConnectionClosed as closed:
                if (error := self._course.lost(closed)) is not None:
                    self._reopen(error)

    def _reopen(self, error: ClientError) -> None:
        attempts = self._course.new_connection()
        time.sleep(attempts.pause_after(error))
        with self._sending:
            self._connection.close()
            self._connection = self._open(attempts)

    def _open(self, attempts: Attempts) -> ClientConnection:
        while True:
            try:
                connection = self._connect(attempts.left_s)
                self._begin(connection, attempts.left_s)
                return connection
            except (OSError, InvalidHandshake, InvalidURI) as error:
                pause_s = attempts.pause_after(refused(error, attempts.deadline_s, self._service))
            time.sleep(pause_s)

    def _begin(self, connection: ClientConnection, timeout_s: float) -> None:
        """Send nothing but the first message before it is answered. Raises TimeoutError."""
        try:
            connection.send(self._course.opening())
            event = self._course.read(connection.recv(timeout_s))
        except ConnectionClosed:
            return  # whoever reads the connection next finds out why
        except (ClientError, TimeoutError):
            connection.close()
            raise
        if event is not None:
            self._waiting.append(event)
        self._try(connection, self._course.due())

    def _connect(self, timeout_s: float) -> ClientConnection:
        proxy = self._service.proxy
        return connect(
            self._options.url(self._service),
            additional_headers=self._options.headers,
            compression=None,
            open_timeout=timeout_s,
            close_timeout=2,
            proxy=None if proxy is None else str(proxy),
        )

    @staticmethod
    def _try(connection: ClientConnection, messages: Iterable[str | bytes]) -> bool:
        try:
            for message in messages:
                connection.send(message)
        except ConnectionClosed:
            return False
        return True
