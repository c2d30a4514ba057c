"""What threads beyond a CPU limit cost: model servers side by side, asked in turn.

`python -m benchmarks.threads limit=10.0.0.7:8500 two=10.0.0.8:8500` prints the table in Markdown. Each is a model
server with the large shipped model, alike but for the variant; the first is what the others are compared with.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time

import numpy as np
from numpy.typing import NDArray

from preprocess_gateway.backend.tensors import from_array
from speech_emotion.channel import open_channel
from speech_emotion.protos import predict_pb2, prediction_service_pb2_grpc

MODEL = "speech_emotion"


def seconds_of(address: str, request: predict_pb2.PredictRequest, clients: int, calls: int) -> list[float]:
    """How long each call took of `clients` that call one after the other, `calls` each."""
    taken: list[float] = []

    def ask() -> None:
        with open_channel(address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            for _ in range(calls):
                begun = time.perf_counter()
                stub.Predict(request, timeout=60)
                taken.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def percentiles(taken: list[float]) -> NDArray[np.float64]:
    """p50 and p99 in milliseconds."""
    return np.percentile(np.asarray(taken) * 1000, [50, 99])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("servers", nargs="+", help="NAME=HOST:PORT of each variant")
    parser.add_argument("--shape", default="1,401,80", help="frames and bins of the windows in a call")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--calls", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    shape = tuple(int(each) for each in options.shape.split(","))
    servers = dict(each.split("=", 1) for each in options.servers)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    windows = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    request.inputs["features"].CopyFrom(from_array(windows))
    for address in servers.values():
        seconds_of(address, request, 1, 3)
    rounds: dict[str, list[NDArray[np.float64]]] = {name: [] for name in servers}
    for _ in range(options.rounds):
        for name, address in servers.items():
            rounds[name].append(percentiles(seconds_of(address, request, options.clients, options.calls)))
    first = np.stack(rounds[next(iter(servers))])
    print("| variant | p50, ms | p99, ms | p50 to the first | p99 to the first, and its range |")
    print("|---|---|---|---|---|")
    for name, found in rounds.items():
        figures = np.stack(found)
        ratios = figures / first
        p50, p99 = (statistics.median(figures[:, each]) for each in (0, 1))
        r50, r99 = (statistics.median(ratios[:, each]) for each in (0, 1))
        low, high = ratios[:, 1].min(), ratios[:, 1].max()
        print(f"| {name} | {p50:.0f} | {p99:.0f} | {r50:.2f} | {r99:.2f} ({low:.2f} to {high:.2f}) |")


if __name__ == "__main__":
    main()
