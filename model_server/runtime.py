"""The parts of TensorFlow that load and run a SavedModel, without the rest of it.

`import tensorflow` takes four times their CPU time, and 230 MB more.
"""

from __future__ import annotations

from speech_emotion.notices import without_notices
from speech_emotion.protos import bare_tensorflow

with without_notices(), bare_tensorflow():
    from tensorflow.core.protobuf.config_pb2 import CallableOptions, ConfigProto
    from tensorflow.python.client.session import Session
    from tensorflow.python.framework.dtypes import as_dtype
    from tensorflow.python.framework.errors_impl import OpError
    from tensorflow.python.framework.ops import Graph
    from tensorflow.python.lib.io.tf_record import tf_record_iterator
    from tensorflow.python.saved_model.loader_impl import load as load_saved_model

__all__ = [
    "CallableOptions",
    "ConfigProto",
    "Graph",
    "OpError",
    "Session",
    "as_dtype",
    "load_saved_model",
    "tf_record_iterator",
]
