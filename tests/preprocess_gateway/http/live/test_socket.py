"""The socket of a stream, on a pair of sockets without a gateway."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.frames import OP_BINARY, OP_CLOSE, OP_PING, Close, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from preprocess_gateway.errors import SlowReaderError
from preprocess_gateway.http.live.socket import ClientGoneError, StreamSocket


@pytest.fixture
def pair() -> Iterator[tuple[StreamSocket, socket.socket]]:
    """The gateway's side, with 20 kB for what is not sent, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    with client, accepted:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield StreamSocket(accepted, ServerProtocol(state=OPEN, max_size=65_536), 20_000), client


def answer_for_ever(stream: StreamSocket) -> None:
    for _ in range(10_000):
        stream.send("x" * 1_000)


def ping_for_ever(stream: StreamSocket, client: socket.socket) -> None:
    client.setblocking(False)
    unsent = Frame(OP_PING, b"x" * 100).serialize(mask=True) * 40_000
    while unsent:
        with suppress(BlockingIOError):
            unsent = unsent[client.send(unsent[:65_536]) :]
        stream.receive(0)


def test_a_client_that_does_not_read_is_given_up(pair: tuple[StreamSocket, socket.socket]) -> None:
    stream, _ = pair
    with pytest.raises(SlowReaderError, match="behind with reading"):
        answer_for_ever(stream)
    stream.end("last", 1008, "slow")
    stream.release()


def test_a_client_that_pings_and_does_not_read_is_given_up_too(pair: tuple[StreamSocket, socket.socket]) -> None:
    with pytest.raises(SlowReaderError):
        ping_for_ever(*pair)


def test_frames_that_come_together_are_given_together(pair: tuple[StreamSocket, socket.socket]) -> None:
    stream, client = pair
    assert stream.receive(0) == ([], True)
    client.sendall(Frame(OP_BINARY, b"12").serialize(mask=True) + Frame(OP_BINARY, b"3").serialize(mask=True))
    frames, _ = stream.receive(5)
    assert [bytes(frame.data) for frame in frames] == [b"12", b"3"]


def test_an_end_without_a_close_frame_is_1006(pair: tuple[StreamSocket, socket.socket]) -> None:
    stream, client = pair
    client.close()
    with pytest.raises(ClientGoneError) as gone:
        stream.receive(5)
    assert gone.value.code == 1006


def test_a_clients_close_is_answered_with_a_close_of_the_same_code(pair: tuple[StreamSocket, socket.socket]) -> None:
    stream, client = pair
    close = Close(4000, "enough").serialize()
    client.sendall(Frame(OP_CLOSE, close).serialize(mask=True))
    with pytest.raises(ClientGoneError) as gone:
        stream.receive(5)
    assert gone.value.code == 4000
    assert client.recv(100) == Frame(OP_CLOSE, close).serialize(mask=False)
