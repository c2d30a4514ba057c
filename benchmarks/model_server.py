"""What a model server adds to its model: a call against the bare signature and an empty round trip, and batching.

`python -m benchmarks model_server`. Both servers are measured where TensorFlow Serving can be found.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.processes import Memory, cpu_s, end, memory, tagged
from benchmarks.results import Goal, Row, Section, Spread
from benchmarks.services import MODELS
from benchmarks.suite import Options
from model_server.servable import Servable, SessionOptions
from speech_emotion import contract
from speech_emotion.channel import open_channel
from speech_emotion.cpus import cpu_count
from speech_emotion.protos import predict_pb2, prediction_service_pb2_grpc, tensor_shape_pb2, types_pb2
from tests.support.model_server import ModelServer, real_server

TURNS, CALLS, LOAD_S, ROUNDS = 12, 15, 1.0, 3
CLIENTS = (1, 4, 16)
BATCHING = "max_batch_size { value: 32 }\nbatch_timeout_micros { value: 0 }\n"
NAME = "model"
Features = npt.NDArray[np.float32]


def measure(options: Options) -> list[Section]:
    """A section for single calls and one for batching under load."""
    names = [name for name in MODELS if not options.models or name in options.models]
    calls: list[Row] = []
    batches: list[Row] = []
    goals: list[Goal] = []
    for server in ["model_server", "TensorFlow Serving"] if real_server() else ["model_server"]:
        for name in names:
            row, ratio = _calls(server, name, max(2, round(TURNS * options.effort)))
            calls.append(row)
            if server == "model_server":
                goals.append(Goal(name=f"{name}: call to its parts", value=ratio, bound="at most", limit=1.5))
            batches += _batching(server, name, LOAD_S * options.effort)
    about = (
        "One client asks for one window at a time: `Predict`; the same signature run in the client's own process on "
        "as many threads; and a health check, an empty round trip. They take turns. The ratio is the median of "
        "`Predict` to the sum of the other two medians. Brackets hold the range of the turns' medians."
    )
    load = (
        "Clients in one process ask for one window at a time, each again when it is answered; servers with and without "
        f"batching take turns. CPU time is the server's. Parameters: `{BATCHING.strip()}`".replace("\n", ", ")
    )
    return [
        Section(title="A call to the model server", about=about, rows=calls, goals=goals),
        Section(title="Batching", about=load, rows=batches),
    ]


def _calls(server: str, name: str, turns: int) -> tuple[Row, float]:
    with _serving(server, name) as started, open_channel(started.address) as channel:
        threads = cpu_count()
        own = Servable(NAME, 1, MODELS[name], SessionOptions(intra_op_threads=threads, inter_op_threads=threads))
        window = _window(own)
        ask, check = _asking(channel, window), _checking(channel)
        parts = {"Predict, ms": ask, "bare signature, ms": lambda: _run(own, window), "empty round trip, ms": check}
        timed: dict[str, list[float]] = {name: [] for name in parts}
        for turn in range(turns + 1):
            # One after the other: threads that have just worked answer sooner than those of a server between calls.
            taken = [[_ms(call) for call in parts.values()] for _ in range(CALLS)]
            if turn:  # the first warms up
                for values, each in zip(timed.values(), np.median(taken, axis=0), strict=True):
                    values.append(float(each))
        ready, held = started.ready_s, started.memory()
    predict, bare, empty = (float(np.median(values)) for values in timed.values())
    ratio = predict / (bare + empty)
    row: Row = {"server": server, "model": name, **{key: Spread.of(values) for key, values in timed.items()}}
    row |= {"ratio": round(ratio, 2), "ready after, s": round(ready, 1)}
    row |= {"private MB": held.private // 1_000_000, "shared MB": held.shared // 1_000_000}
    return row, ratio


def _batching(server: str, name: str, seconds: float) -> Iterator[Row]:
    with ExitStack() as stack:
        started = {on: stack.enter_context(_serving(server, name, batching=on)) for on in (False, True)}
        window = _window(Servable(NAME, 1, MODELS[name], SessionOptions()))
        for clients in CLIENTS:
            rates: dict[bool, list[float]] = {False: [], True: []}
            costs: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(ROUNDS):
                for on, each in started.items():
                    answers, taken, used = _load(each, window, clients, seconds)
                    rates[on].append(answers / taken)
                    costs[on].append(1000 * used / max(1, answers))
            for on in (False, True):
                yield {
                    "server": server,
                    "model": name,
                    "clients": clients,
                    "batching": "on" if on else "off",
                    "windows per s": Spread.of(rates[on]),
                    "CPU ms per window": Spread.of(costs[on]),
                }


class _Started:
    """A server of one version, and the seconds until it answered."""

    def __init__(self, address: str, tag: str, ready_s: float) -> None:
        self.address, self.tag, self.ready_s = address, tag, ready_s

    def memory(self) -> Memory:
        return memory(self.tag)

    def cpu_s(self) -> float:
        return cpu_s(self.tag)


@contextmanager
def _serving(server: str, name: str, *, batching: bool = False) -> Iterator[_Started]:
    tag = f"model-server-{name}-{batching}"
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--enable_grpc_healthcheck_service=true", "--grpc_max_threads=32"]
        if batching:
            parameters = Path(folder) / "batching.txt"
            parameters.write_text(BATCHING)
            flags += ["--enable_batching=true", f"--batching_parameters_file={parameters}"]
        base = Path(folder) / NAME
        base.mkdir()
        (base / "1").symlink_to(MODELS[name])
        binary = real_server() if server != "model_server" else None
        begun = time.monotonic()
        with tagged(tag):
            running = ModelServer(*flags, base_path=base, name=NAME, binary=binary).start()
        try:
            yield _Started(running.address, tag, time.monotonic() - begun)
        finally:
            running.kill()
            end(tag)


def _window(servable: Servable) -> Features:
    shape = servable.signature_defs[contract.SIGNATURE_PREDICT].inputs[contract.INPUT_FEATURES].tensor_shape
    sizes = (1, *(dimension.size for dimension in shape.dim[1:]))
    return np.random.default_rng(0).normal(0, 0.5, sizes).astype(np.float32)


def _run(servable: Servable, window: Features) -> None:
    servable.infer(contract.SIGNATURE_PREDICT, {contract.INPUT_FEATURES: window})


def _asking(channel: grpc.Channel, window: Features) -> Callable[[], object]:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.model_spec.signature_name = contract.SIGNATURE_PREDICT
    tensor = request.inputs[contract.INPUT_FEATURES]
    tensor.dtype = types_pb2.DT_FLOAT
    tensor.tensor_shape.dim.extend(tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in window.shape)
    tensor.tensor_content = window.tobytes()
    return lambda: stub.Predict(request, timeout=60)


def _checking(channel: grpc.Channel) -> Callable[[], object]:
    stub = health_pb2_grpc.HealthStub(channel)
    return lambda: stub.Check(health_pb2.HealthCheckRequest(), timeout=60)


def _ms(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)


def _load(started: _Started, window: Features, clients: int, seconds: float) -> tuple[int, float, float]:
    """Answers within the time, the time, and the server's CPU time, both in seconds."""
    counts, until = [0] * clients, time.monotonic() + seconds
    with open_channel(started.address) as channel:

        def client(number: int) -> None:
            ask = _asking(channel, window)
            while time.monotonic() < until:
                ask()
                counts[number] += 1

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        begun, before = time.monotonic(), started.cpu_s()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts), time.monotonic() - begun, started.cpu_s() - before
