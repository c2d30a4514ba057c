"""Does the serving path answer as training did? A version's golden set, through gRPC, on every server."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion import contract
from speech_emotion.protos import model_server_config_pb2, predict_pb2, prediction_service_pb2_grpc
from speech_emotion.store.base import Store
from speech_emotion.store.config import write_config
from speech_emotion.store.errors import DamagedVersionError, InUseError, LoadFailedError, NotServedError
from speech_emotion.store.servers import addresses, require_available
from speech_emotion.store.withdraw import quarantine
from training_pipeline.errors import FailedCheckError
from training_pipeline.savedmodel.golden import PATH, TOLERANCE, read_golden
from training_pipeline.training.windows import in_batches

CALL_TIMEOUT_S = 30.0
FOLLOWED_S = 0.25  # gRPC's thread looks every 0.2 s whether anybody still waits; a channel closed before fails in it
Array = npt.NDArray[np.float32]


def check(store: Store, name: str, number: int, servers: Sequence[str], timeout_s: float) -> float:
    """Replay the golden set on every server (none: on one of our own, for this moment); returns the largest gap.

    Raises FailedCheckError if an answer is further than 1e-4 off or a server cannot load the version, which then goes
    to quarantine, where no label can name it; NotServedError if a server has not loaded it within `timeout_s` or cannot
    be reached: the fault may be the server's, so the version stays, without a label.
    """
    try:
        features, expected = read_golden(store.read(name, number, PATH))
        if servers:
            return _check_all(servers, name, number, features, expected, timeout_s)
        with _own_server(store, name, number, timeout_s) as server:
            return _check_all([server], name, number, features, expected, timeout_s)
    except (FailedCheckError, LoadFailedError, DamagedVersionError) as error:
        raise _quarantined(store, name, number, error) from error


def _quarantined(store: Store, name: str, number: int, error: Exception) -> FailedCheckError:
    try:
        quarantine(store, name, number, str(error))
    except InUseError as used:
        # A rerun may publish what a label names already: to take it away would end the service.
        return FailedCheckError(f"{used}; but {error}")
    return FailedCheckError(f"version {number} of {name} is in quarantine: {error}")


def _check_all(
    servers: Sequence[str], name: str, number: int, features: Array, expected: Array, timeout_s: float
) -> float:
    require_available(servers, name, number, timeout_s)
    worst = 0.0
    for address in [address for server in servers for address in addresses(server)]:
        answer = in_batches(partial(_predict, address, name, number), features)
        gap = float(np.abs(answer - expected).max()) if answer.shape == expected.shape else float("inf")
        if not gap <= TOLERANCE:
            raise FailedCheckError(f"{address} answers up to {gap:.2g} off what training saw, {TOLERANCE:g} is allowed")
        worst = max(worst, gap)
    return worst


def _predict(address: str, name: str, number: int, features: Array) -> Array:
    request = predict_pb2.PredictRequest(inputs={contract.INPUT_FEATURES: tf.make_tensor_proto(features)})
    request.model_spec.name = name
    request.model_spec.signature_name = contract.SIGNATURE_PREDICT
    request.model_spec.version.value = number
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            answer = stub.Predict(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise FailedCheckError(f"{address}: {error.details()}") from error
    return np.asarray(tf.make_ndarray(answer.outputs[contract.OUTPUT_PROBABILITIES]), np.float32)


@contextmanager
def _own_server(store: Store, name: str, number: int, timeout_s: float) -> Iterator[str]:
    """A model server with this version alone, on loopback; yields its address.

    It starts without a model and is then told of the version: a first one that cannot be loaded would end the start,
    and nobody could be asked why.
    """
    with tempfile.TemporaryDirectory(prefix="check-") as temporary:
        folder = store.fetch(name, number, Path(temporary) / name / str(number))
        config = model_server_config_pb2.ModelServerConfig()
        entry = config.model_config_list.config.add(
            name=name, base_path=str(folder.parent.resolve()), model_platform="tensorflow"
        )
        entry.model_version_policy.specific.versions.append(number)
        path, port = Path(temporary) / "models.config", _free_port()
        write_config(path, model_server_config_pb2.ModelServerConfig(model_config_list={}))
        command = [
            sys.executable,
            "-m",
            "model_server",
            f"--port={port}",
            f"--model_config_file={path}",
            "--model_config_file_poll_wait_seconds=1",
            "--max_num_load_retries=0",
        ]
        with (Path(temporary) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603
        try:
            _wait_listening(f"127.0.0.1:{port}", timeout_s)
            write_config(path, config)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_listening(address: str, timeout_s: float) -> None:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout_s)
            time.sleep(FOLLOWED_S)
        except grpc.FutureTimeoutError:
            raise NotServedError(f"the model server for the check did not start within {timeout_s:g} s") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
