"""One model on the model server: its `describe` and its predictions, as numpy arrays."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.connection import Connection
from preprocess_gateway.backend.tensors import from_array, to_array
from preprocess_gateway.context import RequestContext
from speech_emotion import contract
from speech_emotion.errors import ContractError
from speech_emotion.protos import get_model_status_pb2, predict_pb2, tensor_pb2, types_pb2

_END = get_model_status_pb2.ModelVersionStatus.State.END


class PredictClient:
    """Asks one model by its name; who made the connection closes it."""

    def __init__(self, connection: Connection, model_name: str) -> None:
        self.model_name = model_name
        self._connection = connection

    def predict(
        self, features: npt.NDArray[np.float32], version: int, context: RequestContext
    ) -> npt.NDArray[np.float32]:
        """Probabilities `[batch, emotions]` of features `[batch, frames, bins]` from one version.

        Raises what `Connection.ask` does, and ContractError for an answer that is not what was promised.
        """
        request = self._request(contract.SIGNATURE_PREDICT)
        request.model_spec.version.value = version
        request.inputs[contract.INPUT_FEATURES].CopyFrom(from_array(features))
        response = self._connection.ask(request, context)
        if contract.OUTPUT_PROBABILITIES not in response.outputs:
            raise ContractError(f"version {version} answers without `{contract.OUTPUT_PROBABILITIES}`")
        probabilities = to_array(response.outputs[contract.OUTPUT_PROBABILITIES])
        if probabilities.ndim != 2 or len(probabilities) != len(features):
            raise ContractError(f"version {version} answered shape {probabilities.shape} for {len(features)} windows")
        if not np.isfinite(probabilities).all():
            raise ContractError(f"version {version} answered probabilities that are NaN or infinite")
        return probabilities

    def spend_retry(self) -> bool:
        """Whether the budget of retries allows one more call."""
        return self._connection.spend_retry()

    def describe(self, label: str, timeout_s: float) -> tuple[int, contract.Description]:
        """The version that `label` means now, and what it says of itself; raises what `predict` does."""
        request = self._request(contract.SIGNATURE_DESCRIBE)
        request.model_spec.version_label = label
        self._connection.renew_if_lost()
        rows = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, int_val=[0])
        rows.tensor_shape.dim.add(size=1)
        request.inputs[contract.INPUT_ROWS].CopyFrom(rows)
        response = self._connection.call(request, time.monotonic() + timeout_s)
        texts = [_text(response, name) for name in (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)]
        return response.model_spec.version.value, contract.Description.parse(*texts)

    def load_faults(self, timeout_s: float) -> dict[int, str]:
        """For each version, why the server could not load it ("" if it could); raises what `predict` does."""
        found = self._connection.status(self.model_name, timeout_s).model_version_status
        return {
            each.version: (each.status.error_message or "no reason given")
            if each.state == _END and each.status.error_code
            else ""
            for each in found
        }

    def _request(self, signature: str) -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model_name
        request.model_spec.signature_name = signature
        return request


def _text(response: predict_pb2.PredictResponse, name: str) -> bytes:
    values = response.outputs[name].string_val if name in response.outputs else []
    if not values:
        raise ContractError(f"the model's `describe` answers without `{name}`")
    return bytes(values[0])
