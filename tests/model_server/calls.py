"""Calls and stores that the tests of the real process share; a model's version is its seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from model_server.tensors import decode, encode
from speech_emotion.protos import model_server_config_pb2, predict_pb2, types_pb2
from speech_emotion.store.config import parse_config
from tests.support import savedmodels
from tests.support.model_server import ModelServer

# For what TensorFlow Serving takes in another way: docs/model_server.md lists it.
ours = pytest.mark.parametrize("binary", ["model_server"], indirect=True)

LABELS = ("calm", "angry", "sad")
FEATURES = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)


def request(features: Any = FEATURES, signature: str = "", **spec: Any) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = spec.pop("name", "m")
    message.model_spec.signature_name = signature
    if "version" in spec:
        message.model_spec.version.value = spec["version"]
    if "label" in spec:
        message.model_spec.version_label = spec["label"]
    encode(features, types_pb2.DT_FLOAT, message.inputs["features"])
    return message


def answering_seed(server: ModelServer, **spec: Any) -> int:
    """Which version answers, told by its numbers: every model here is written with its version as seed."""
    answer = server.predictions.Predict(request(**spec), timeout=30)
    found = decode(answer.outputs["probabilities"])
    expected = savedmodels.linear_probabilities(FEATURES, len(LABELS), answer.model_spec.version.value)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    return int(answer.model_spec.version.value)


def code_of(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value.code().name, refused.value.details()


def write(store: Path, version: int) -> None:
    """A version as a publisher writes it: under another name, then renamed."""
    savedmodels.write_linear(store / f".tmp-{version}", "{}", LABELS, seed=version)
    (store / f".tmp-{version}").rename(store / str(version))


def config(store: Path, policy: str = "all {}", **labels: int) -> model_server_config_pb2.ModelServerConfig:
    lines = "".join(f" version_labels {{ key: '{label}' value: {version} }}" for label, version in labels.items())
    return parse_config(
        f"model_config_list {{ config {{ name: 'm' base_path: '{store}' model_platform: 'tensorflow'"
        f" model_version_policy {{ {policy} }}{lines} }} }}"
    )
