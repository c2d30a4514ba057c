"""Real SavedModels in memory: signatures run, refuse and warm up as in the real server."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model_server.errors import Code, ServingError
from model_server.servable import Servable, SessionOptions
from model_server.tensors import decode
from model_server.warmup import MAX_RECORDS, warm_up
from speech_emotion.protos import predict_pb2, prediction_log_pb2
from tests.support import savedmodels
from tests.support.model_server import REPOSITORY

LABELS = ("calm", "angry", "sad")
FEATURES = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)


def load(path: Path) -> Servable:
    return Servable("m", 1, path, SessionOptions())


def request(signature: str = "", **inputs: Any) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "whatever"
    message.model_spec.signature_name = signature
    for name, value in inputs.items():
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return message


def answers(servable: Servable, message: predict_pb2.PredictRequest) -> dict[str, Any]:
    return {alias: decode(proto) for alias, proto in servable.predict(message).outputs.items()}


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Servable:
    path = tmp_path_factory.mktemp("m") / "1"
    return load(savedmodels.write_linear(path, '{"schema_version": 1}', LABELS, seed=3, card={"data": "none"}))


def test_nothing_keeps_the_graph_and_its_functions_besides_the_session(linear: Servable) -> None:
    assert not linear._session.graph._functions


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("bins", [None, 4])
def test_probabilities_are_what_the_seed_says(tmp_path: Path, seed: int, bins: int | None) -> None:
    servable = load(savedmodels.write_linear(tmp_path / "1", "{}", LABELS, seed, bins=bins))
    found = answers(servable, request(features=FEATURES))["probabilities"]
    np.testing.assert_allclose(found, savedmodels.linear_probabilities(FEATURES, 3, seed, bins), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_describe_answers_one_text_a_row(linear: Servable) -> None:
    found = answers(linear, request("describe", rows=np.zeros(2, np.int32)))
    assert [json.loads(text) for text in found["labels"]] == [list(LABELS)] * 2
    assert [json.loads(text) for text in found["spec"]] == [{"schema_version": 1}] * 2
    assert [json.loads(text) for text in found["card"]] == [{"data": "none"}] * 2


def test_the_answer_names_model_version_and_signature(linear: Servable) -> None:
    spec = linear.predict(request(features=FEATURES)).model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 1, "serving_default")
    assert not spec.version_label


def test_many_threads_get_their_own_answers(linear: Servable) -> None:
    batches = [FEATURES * scale for scale in np.linspace(-2, 2, 50, dtype=np.float32)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda batch: answers(linear, request(features=batch))["probabilities"], batches))
    for batch, probabilities in zip(batches, found, strict=True):
        np.testing.assert_allclose(probabilities, savedmodels.linear_probabilities(batch, 3, 3), atol=1e-6)


def test_an_error_in_the_graph_keeps_its_code_and_text(tmp_path: Path) -> None:
    servable = load(savedmodels.write_failing(tmp_path / "1", "{}", LABELS))
    with pytest.raises(ServingError) as failed:
        servable.predict(request(features=FEATURES))
    assert failed.value.code is Code.INVALID_ARGUMENT
    assert failed.value.message.startswith("assertion failed: [this model always fails]")
    assert set(answers(servable, request("describe", rows=[0]))) == {"spec", "labels", "card"}


@pytest.mark.parametrize("sizes", [(2**40,), (2**62, 2**62), (1,) * 100])
def test_a_shape_beyond_memory_is_refused(linear: Servable, sizes: tuple[int, ...]) -> None:
    message = request(features=np.float32(1))
    for size in sizes:
        message.inputs["features"].tensor_shape.dim.add(size=size)
    with pytest.raises(ServingError, match="tensor parsing error: features"):
        linear.predict(message)


class Odd(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "name"), tf.TensorSpec([], tf.float32, "scale")])
    def greet(self, name: Any, scale: Any) -> dict[str, Any]:
        return {"text": tf.strings.join(["hello ", name]), "twice": 2 * scale}

    @tf.function(input_signature=[])
    def constant(self) -> dict[str, Any]:
        return {"answer": tf.constant(42, tf.int64)}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Servable:
    path, module = tmp_path_factory.mktemp("odd") / "1", Odd()
    signatures = {"serving_default": module.greet, "constant": module.constant}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return load(path)


def test_scalars_in_and_out(odd: Servable) -> None:
    found = answers(odd, request(name=b"you", scale=np.float32(1.5)))
    assert (found["text"].item(), found["twice"].item()) == (b"hello you", 3.0)
    assert found["text"].shape == found["twice"].shape == ()
    assert answers(odd, request("constant"))["answer"] == 42


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (request("nosig"), Code.FAILED_PRECONDITION, 'Serving signature key "nosig" not found.'),
        (request("__saved_model_init_op"), Code.INTERNAL, "Expected prediction signature method_name"),
        (request(name=b"x"), Code.INVALID_ARGUMENT, "Missing but required: {scale}."),
        (request(name=b"x", other=1.0), Code.INVALID_ARGUMENT, "Signature input alias: scale(feed name: "),
        (
            request(name=b"x", scale=np.float64(1)),
            Code.INVALID_ARGUMENT,
            "Expects arg[1] to be float but double is provided",
        ),
        (
            request(name=1, scale=np.float32(1)),
            Code.INVALID_ARGUMENT,
            "Expects arg[0] to be string but int32 is provided",
        ),
    ],
)
def test_a_call_that_does_not_fit_is_refused(
    odd: Servable, message: predict_pb2.PredictRequest, code: Code, text: str
) -> None:
    with pytest.raises(ServingError) as refused:
        odd.predict(message)
    assert refused.value.code is code
    assert text in refused.value.message


def test_a_version_is_freed_when_its_last_holder_is_gone(tmp_path: Path) -> None:
    servable = load(savedmodels.write_linear(tmp_path / "1", "{}", LABELS))
    servable.predict(request(features=FEATURES))
    held = weakref.ref(servable)
    del servable
    gc.collect()
    assert held() is None


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: path, Code.NOT_FOUND),
        (lambda path: path.mkdir() or path, Code.NOT_FOUND),
        (savedmodels.write_unloadable, Code.DATA_LOSS),
    ],
)
def test_what_is_no_savedmodel_is_not_loaded(tmp_path: Path, make: Callable[[Path], Path], code: Code) -> None:
    with pytest.raises(ServingError) as refused:
        load(make(tmp_path / "1"))
    assert refused.value.code is code
    assert str(tmp_path / "1") in refused.value.message


def test_a_savedmodel_without_the_wanted_tags_is_not_loaded(tmp_path: Path) -> None:
    path = savedmodels.write_linear(tmp_path / "1", "{}", LABELS)
    with pytest.raises(ServingError, match="gpu") as refused:
        Servable("m", 1, path, SessionOptions(tags=("serve", "gpu")))
    assert refused.value.code is Code.NOT_FOUND


class Weighted(tf.Module):
    def __init__(self) -> None:
        self.weight = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def scale(self, x: Any) -> dict[str, Any]:
        return {"y": self.weight * x}


def test_variables_are_restored_and_missed(tmp_path: Path) -> None:
    module, path = Weighted(), tmp_path / "1"
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.scale})
    assert answers(load(path), request(x=np.float32([2])))["y"] == [6]
    (path / "variables" / "variables.index").unlink()
    with pytest.raises(ServingError) as refused:
        load(path)
    assert refused.value.code in (Code.NOT_FOUND, Code.DATA_LOSS)


def record(message: predict_pb2.PredictRequest) -> bytes:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(message)
    return log.SerializeToString()


def test_warm_up_runs_every_record_and_needs_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = savedmodels.write_linear(tmp_path / "1", "{}", LABELS)
    servable = load(path)
    warm_up(servable, path)
    assert not caplog.records
    records = [record(request(features=FEATURES)), record(request("describe", rows=[0]))] * (MAX_RECORDS // 2)
    savedmodels.write_warmup(path, records)
    caplog.set_level("INFO")
    warm_up(servable, path)
    assert f"Number of warmup records read: {MAX_RECORDS}." in caplog.text


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([record(request(features=FEATURES)), record(request(features=FEATURES.astype(np.float64)))], "double"),
        ([record(request("nosig"))], "nosig"),
        ([b"\xff\xff"], "Failed to parse warmup record"),
        ([b""], "Unsupported log_type for warmup: None"),
        ([record(request("describe", rows=[0]))] * (MAX_RECORDS + 1), "exceeds the maximum (1000)"),
    ],
    ids=["dtype", "signature", "not a record", "empty", "too many"],
)
def test_one_bad_warm_up_record_fails_the_load(tmp_path: Path, records: list[bytes], text: str) -> None:
    path = savedmodels.write_linear(tmp_path / "1", "{}", LABELS)
    savedmodels.write_warmup(path, records)
    with pytest.raises(ServingError) as failed:
        warm_up(load(path), path)
    assert text in failed.value.message


def test_a_torn_warm_up_file_fails_the_load(tmp_path: Path) -> None:
    path = savedmodels.write_linear(tmp_path / "1", "{}", LABELS)
    file = savedmodels.write_warmup(path, [record(request("describe", rows=[0]))])
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ServingError, match="DATA_LOSS"):
        warm_up(load(path), path)


def test_a_version_is_loaded_and_run_without_the_whole_of_tensorflow(tmp_path: Path) -> None:
    path = savedmodels.write_linear(tmp_path / "1", "{}", LABELS)
    message = prediction_log_pb2.PredictionLog()
    message.predict_log.request.CopyFrom(request(features=FEATURES))
    savedmodels.write_warmup(path, [message.SerializeToString()])
    probe = f"""
import sys
from pathlib import Path
from model_server.serve import Servable, SessionOptions, warm_up
warm_up(Servable("m", 1, Path({str(path)!r}), SessionOptions()), Path({str(path)!r}))
print("tensorflow" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", probe], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
