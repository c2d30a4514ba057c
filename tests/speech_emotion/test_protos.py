from __future__ import annotations

import subprocess
import sys

CLIENT = """
import sys
from speech_emotion.protos import predict_pb2, prediction_service_pb2_grpc
request = predict_pb2.PredictRequest()
request.inputs["features"].float_val.append(1.0)
assert predict_pb2.PredictRequest.FromString(request.SerializeToString()) == request
assert prediction_service_pb2_grpc.PredictionServiceStub
assert "tensorflow" not in sys.modules
assert not any(name.startswith("tensorflow.python") for name in sys.modules)
assert "libtensorflow" not in open("/proc/self/maps").read()
"""

BOTH = """
import speech_emotion.protos
import tensorflow as tf
tensor = tf.make_tensor_proto([1.0, 2.0])
assert isinstance(tensor, speech_emotion.protos.tensor_pb2.TensorProto)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_messages_come_without_the_runtime() -> None:
    done = run(CLIENT)
    assert done.returncode == 0, done.stderr


def test_the_runtime_can_still_be_imported_after_them() -> None:
    done = run(BOTH)
    assert done.returncode == 0, done.stderr
