"""Does the serving path answer as training did? A version's golden set, through gRPC, on every server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion import contract
from speech_emotion.protos import predict_pb2, prediction_service_pb2_grpc
from speech_emotion.store.base import Store
from speech_emotion.store.errors import DamagedVersionError, InUseError, LoadFailedError, NotServedError
from speech_emotion.store.servers import Address, ModelServers
from speech_emotion.store.withdraw import quarantine
from training_pipeline.errors import FailedCheckError
from training_pipeline.retraining.own_server import own_server
from training_pipeline.savedmodel.golden import PATH, TOLERANCE, read_golden
from training_pipeline.training.windows import in_batches

CALL_TIMEOUT_S = 30.0
PAUSE_S = 1.0
REHEARSAL_S = 300.0
_OF_THE_VERSION = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)
"""What a server says once the version has run; every other code is the server's own state or the network's."""
Array = npt.NDArray[np.float32]


def rehearse(folder: Path, name: str, timeout_s: float = REHEARSAL_S) -> float:
    """Load a SavedModel on a model server of its own and replay its golden set; returns the largest gap.

    What cannot be loaded, or answers otherwise than in training, must not enter a store: every server of it would try
    to load it. Raises FailedCheckError, and NotServedError if the server cannot be started.
    """
    golden = folder / PATH
    features, expected = read_golden(golden.read_bytes() if golden.is_file() else None)
    with _of_its_own(folder, name, timeout_s) as servers:
        return _replay_all(servers, name, 1, features, expected)


def rehearse_any(folder: Path, name: str, timeout_s: float = REHEARSAL_S) -> float | None:
    """The same for a SavedModel that may have no golden set: it is loaded, and there is no gap. Raises the same."""
    if (folder / PATH).is_file():
        return rehearse(folder, name, timeout_s)
    with _of_its_own(folder, name, timeout_s) as servers:
        servers.require_available(name, 1)
    return None


@contextmanager
def _of_its_own(folder: Path, name: str, timeout_s: float) -> Iterator[ModelServers]:
    try:
        with own_server(folder, name, 1, timeout_s) as server:
            yield ModelServers((server,), timeout_s=timeout_s)
    except LoadFailedError as error:
        raise FailedCheckError(f"the candidate was not published: {error}") from error


def check(store: Store, name: str, number: int, servers: ModelServers) -> float:
    """Replay the golden set on every server (none: on one of our own, for this moment); returns the largest gap.

    Raises FailedCheckError if an answer is further than 1e-4 off or a server cannot load the version, which then goes
    to quarantine unless a label names it; NotServedError if a server has not loaded it within `servers.timeout_s`, or
    goes away during the replay and does not come back by then: that is no fault of the version, which stays, without a
    label.
    """
    try:
        features, expected = read_golden(store.read(name, number, PATH))
        if servers.names:
            return _replay_all(servers, name, number, features, expected)
        with tempfile.TemporaryDirectory(prefix="check-") as temporary:
            folder = store.fetch(name, number, Path(temporary) / str(number))
            with own_server(folder, name, number, servers.timeout_s) as server:
                own = ModelServers((server,), timeout_s=servers.timeout_s)
                return _replay_all(own, name, number, features, expected)
    except (FailedCheckError, LoadFailedError, DamagedVersionError) as error:
        raise _quarantined(store, name, number, error) from error


def _quarantined(store: Store, name: str, number: int, error: Exception) -> FailedCheckError:
    try:
        quarantine(store, name, number, str(error))
    except InUseError as used:
        # A rerun may publish what a label names already: to remove it would end the service.
        return FailedCheckError(f"{used}; but {error}")
    return FailedCheckError(f"version {number} of {name} is in quarantine: {error}")


def _replay_all(servers: ModelServers, name: str, number: int, features: Array, expected: Array) -> float:
    """The largest gap over all servers; begins again when one goes away, until the time for loading is over."""
    deadline = time.monotonic() + servers.timeout_s
    while True:
        servers.require_available(name, number)
        try:
            return max(_gap(servers, each, name, number, features, expected) for each in servers.addresses())
        except NotServedError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE_S)


def _gap(servers: ModelServers, address: Address, name: str, number: int, features: Array, expected: Array) -> float:
    with servers.connect(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = in_batches(partial(_predict, stub, address.target, name, number), features)
    gap = float(np.abs(answer - expected).max()) if answer.shape == expected.shape else float("inf")
    if not gap <= TOLERANCE:
        raise FailedCheckError(
            f"{address.target} answers up to {gap:.2g} off what training saw, {TOLERANCE:g} is allowed"
        )
    return gap


def _predict(
    stub: prediction_service_pb2_grpc.PredictionServiceStub, server: str, name: str, number: int, features: Array
) -> Array:
    request = predict_pb2.PredictRequest(inputs={contract.INPUT_FEATURES: tf.make_tensor_proto(features)})
    request.model_spec.name = name
    request.model_spec.signature_name = contract.SIGNATURE_PREDICT
    request.model_spec.version.value = number
    try:
        answer = stub.Predict(request, timeout=CALL_TIMEOUT_S)
    except grpc.RpcError as error:
        of_the_version = error.code() in _OF_THE_VERSION
        said = f"{server}: {error.code().name} {error.details()}"
        raise (FailedCheckError if of_the_version else NotServedError)(said) from error
    if contract.OUTPUT_PROBABILITIES not in answer.outputs:
        raise FailedCheckError(f"{server} answers without `{contract.OUTPUT_PROBABILITIES}`")
    return np.asarray(tf.make_ndarray(answer.outputs[contract.OUTPUT_PROBABILITIES]), np.float32)
