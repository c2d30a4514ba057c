"""Warm-up: the logged requests that a version brings along, run before it is called AVAILABLE."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from google.protobuf.message import DecodeError

from model_server import monitoring
from model_server.errors import Code, ServingError, invalid_argument
from model_server.runtime import OpError, tf_record_iterator
from model_server.servable import Servable
from speech_emotion.protos import prediction_log_pb2

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000

_log = logging.getLogger(__name__)


def warm_up(servable: Servable, path: Path, iterations: int = 1) -> None:
    """Run the warm-up requests of the version folder `path`, each `iterations` times.

    The model's name in a record is ignored. Raises ServingError at the first bad record, and if there
    are more than MAX_RECORDS.
    """
    file = path / WARMUP_FILE
    if not file.is_file():
        return
    start, count, outcome = time.monotonic(), 0, "OK"
    try:
        for record in tf_record_iterator(str(file)):
            count += 1
            if count > MAX_RECORDS:
                raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
            for _ in range(iterations):
                _replay(servable, record)
    except OpError as error:
        refusal = ServingError(Code(error.error_code), f"warm-up file {file}: {error.message}")
        outcome = str(refusal)
        raise refusal from error
    except ServingError as error:
        outcome = str(error)
        raise
    finally:
        monitoring.WARMUP_LATENCY.labels(str(path), outcome).observe(monitoring.microseconds_since(start))
        monitoring.WARMUP_RECORDS.labels(str(path), outcome).inc(count)
    _log.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d. It took %.2f s.",
        *(path, count, time.monotonic() - start),
    )


def _replay(servable: Servable, record: bytes) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record: {error}") from error
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    servable.predict(log.predict_log.request)
