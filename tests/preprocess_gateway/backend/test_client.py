"""What the client does when a model server is away, hangs, is full, or fails once."""

from __future__ import annotations

import gc
import socket
import struct
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from preprocess_gateway.backend import connection
from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.context import RequestContext
from preprocess_gateway.errors import DeadlineError, GatewayError, ModelUnavailableError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import ContractError
from speech_emotion.features import SEED_SPEC
from speech_emotion.protos import predict_pb2, prediction_service_pb2_grpc
from tests.preprocess_gateway.conftest import FLAGS
from tests.support.model_server import ModelServer
from tests.support.ports import free_port
from tests.support.served import client as client_of
from tests.support.waiting import stop, until

FEATURES = np.zeros((1, 1, SEED_SPEC.bins), np.float32)
FULL_QUEUE = "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued."


@dataclass
class Faulty(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Fails as many Predicts as it is told to, then answers; remembers what was asked."""

    failures: int
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    details: str = "going away"
    metadata: list[dict[str, Any]] = field(default_factory=list)

    def Predict(self, _request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> Any:
        self.metadata.append(dict(context.invocation_metadata()))
        if len(self.metadata) <= self.failures:
            context.abort(self.code, self.details)
        answer = predict_pb2.PredictResponse()
        output = answer.outputs["probabilities"]
        output.dtype = 1
        output.tensor_shape.dim.add(size=1)
        output.tensor_shape.dim.add(size=2)
        output.float_val.extend([0.25, 0.75])
        return answer


@contextmanager
def serving(faulty: Faulty) -> Iterator[int]:
    """The port at which it answers."""
    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(faulty, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextmanager
def served(faulty: Faulty, **settings: Any) -> Iterator[tuple[PredictClient, Metrics]]:
    metrics = Metrics()
    with (
        serving(faulty) as port,
        client_of(Settings(model_server=f"127.0.0.1:{port}", **settings), metrics) as client,
    ):
        yield client, metrics


def ask(client: PredictClient, seconds: float = 30, **fields: Any) -> np.ndarray:
    return client.predict(FEATURES, 1, RequestContext(time.monotonic() + seconds, **fields))


def retries(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("speech_emotion_retries_total") or 0.0


def test_unavailable_is_asked_again_once() -> None:
    with served(faulty := Faulty(1)) as (client, metrics):
        np.testing.assert_allclose(ask(client), [[0.25, 0.75]])
    assert (len(faulty.metadata), retries(metrics)) == (2, 1)


def test_the_second_failure_is_the_answer() -> None:
    with served(faulty := Faulty(2)) as (client, _), pytest.raises(ModelUnavailableError):
        ask(client)
    assert len(faulty.metadata) == 2


@pytest.mark.parametrize(
    ("code", "details", "error"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted", OverloadedError),
        (grpc.StatusCode.UNAVAILABLE, FULL_QUEUE, OverloadedError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", DeadlineError),
    ],
)
def test_a_server_that_is_full_or_late_is_not_asked_again(
    code: grpc.StatusCode, details: str, error: type[GatewayError]
) -> None:
    with served(faulty := Faulty(9, code, details)) as (client, metrics), pytest.raises(error):
        ask(client)
    assert (len(faulty.metadata), retries(metrics)) == (1, 0)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_the_features_of_a_call_that_failed_are_let_go_at_once(code: grpc.StatusCode) -> None:
    features = FEATURES.copy()
    held = weakref.ref(features)
    with served(Faulty(9, code)) as (client, _):
        gc.disable()  # an error that is in a cycle with a frame would hold them until a collection
        try:
            with suppress(GatewayError):
                client.predict(features, 1, RequestContext(time.monotonic() + 30))
            del features
            assert held() is None
        finally:
            gc.enable()


def test_a_call_of_an_observer_is_not_made_again_and_earns_no_retry() -> None:
    with served(faulty := Faulty(1), retry_ratio=1) as (client, metrics):
        budget = client._connection._budget
        assert budget.spend()
        before = budget._tokens
        with pytest.raises(ModelUnavailableError):
            ask(client, may_retry=False)
        assert (budget._tokens, retries(metrics), len(faulty.metadata)) == (before, 0, 1)


def test_a_ratio_of_none_means_no_retry() -> None:
    with served(faulty := Faulty(1), retry_ratio=0) as (client, _), pytest.raises(ModelUnavailableError):
        ask(client)
    assert len(faulty.metadata) == 1


def test_the_trace_travels_along() -> None:
    metadata = (("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"), ("x-request-id", "me"))
    with served(faulty := Faulty(0)) as (client, _):
        ask(client, metadata=metadata)
    assert dict(metadata).items() <= faulty.metadata[0].items()


@pytest.fixture
def mute() -> Iterator[int]:
    """A port of a listener that accepts nothing and has no room for a further connection: attempts are not answered."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = stack.enter_context(socket.socket())
        waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_server_that_refuses_connections_is_not_waited_for() -> None:
    nobody_waits_for(free_port())


def test_a_server_that_does_not_answer_is_not_waited_for(mute: int) -> None:
    nobody_waits_for(mute)


def nobody_waits_for(port: int) -> None:
    with client_of(Settings(model_server=f"127.0.0.1:{port}")) as client:
        with pytest.raises(ModelUnavailableError):
            ask(client, seconds=60)
        begun = time.monotonic()
        for _ in range(5):
            with pytest.raises(ModelUnavailableError):
                ask(client, seconds=60)
        assert time.monotonic() - begun < 30  # of 300 that the deadlines would allow


def name_server(sock: socket.socket, unknown: int, late_s: float = 0) -> None:
    """Answer so many times that a name does not exist, then that it is 127.0.0.1, each after `late_s` seconds.

    An empty datagram ends it.
    """
    while True:
        question, client = sock.recvfrom(2048)
        if not question:
            return
        end = question.index(b"\0", 12) + 5
        asked, kind = question[12:end], question[end - 4 : end - 2]
        unknown -= 1
        found = unknown < 0 and kind == b"\0\1"
        counts = struct.pack(">HHHHH", 0x8183 if unknown >= 0 else 0x8180, 1, found, 0, 0)
        address = struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton("127.0.0.1")
        time.sleep(late_s)
        sock.sendto(question[:2] + counts + asked + address * found, client)


def test_a_server_whose_name_did_not_exist_is_found_soon(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a headless Service without a ready pod; gRPC alone would ask again after up to two minutes."""
    monkeypatch.setattr(connection, "RENEW_S", 0.2)
    with (
        ModelServer(*FLAGS, config_file=store / "models.config") as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names,
        ThreadPoolExecutor(1) as pool,
    ):
        names.bind(("127.0.0.1", 0))
        answering = pool.submit(name_server, names, 24)  # a dozen attempts: minutes, as gRPC counts them
        host, port = names.getsockname()
        with client_of(Settings(model_server=f"dns://{host}:{port}/model-server.test:{server.port}")) as client:
            begun = time.monotonic()
            while True:
                try:
                    assert client.describe("stable", 30)[0] == 1
                    break
                except ModelUnavailableError:
                    assert time.monotonic() - begun < 90
                    time.sleep(0.1)
            ask(client)
        names.sendto(b"", names.getsockname())
        answering.result(20)


def test_a_name_server_that_is_slower_than_channels_are_made_anew_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A channel that is made anew asks from the beginning, and so would never hear the answer."""
    monkeypatch.setattr(connection, "RENEW_S", 0.2)
    with (
        serving(Faulty(0)) as port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names,
        ThreadPoolExecutor(1) as pool,
    ):
        names.bind(("127.0.0.1", 0))
        answering = pool.submit(name_server, names, 0, 0.7)
        host, asked = names.getsockname()
        with client_of(Settings(model_server=f"dns://{host}:{asked}/model-server.test:{port}")) as client:

            def reached() -> bool:
                try:
                    client.describe("stable", 0.3)
                except (ModelUnavailableError, DeadlineError):
                    return False
                except ContractError:  # this server describes nothing, but it answers
                    return True
                return False

            try:
                until(reached, within_s=30)
            finally:
                names.sendto(b"", names.getsockname())
        answering.result(60)


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_by_keepalive(store: Path) -> None:
    with (
        ModelServer(*FLAGS, config_file=store / "models.config") as server,
        client_of(Settings(model_server=server.address)) as client,
    ):
        assert client.describe("stable", 30)[0] == 1
        assert server.process
        stop(server.process.pid)
        begun = time.monotonic()
        with pytest.raises(ModelUnavailableError):
            ask(client, seconds=120)
        assert time.monotonic() - begun < 100  # the deadline alone would be 120
