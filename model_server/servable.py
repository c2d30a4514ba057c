"""One loaded version of a model: its signatures, and how they are run.

The graph runs in a TensorFlow session, as in the real server: so errors read the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_server import monitoring, tensors
from model_server.batching.queue import Batcher, Queue
from model_server.errors import Code, ServingError, failed_precondition, invalid_argument, not_found
from model_server.runtime import CallableOptions, ConfigProto, Graph, OpError, Session, as_dtype, load_saved_model
from speech_emotion.protos import meta_graph_pb2, predict_pb2, tensor_pb2

DEFAULT_SIGNATURE = "serving_default"
Arrays = dict[str, NDArray[Any]]
_PREDICT_METHODS = tuple(f"tensorflow/serving/{verb}" for verb in ("predict", "classify", "regress"))


@dataclass(frozen=True)
class SessionOptions:
    """How every version's session is made; 0 threads: TensorFlow chooses."""

    tags: Sequence[str] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0


class Servable:
    """A SavedModel in memory. It is freed when the last call that holds it has ended."""

    def __init__(
        self, name: str, version: int, path: Path, options: SessionOptions, batcher: Batcher | None = None
    ) -> None:
        self.name = name
        self.version = version
        config = ConfigProto(
            intra_op_parallelism_threads=options.intra_op_threads,
            inter_op_parallelism_threads=options.inter_op_threads,
        )
        self._session = Session(graph=Graph(), config=config)
        self.signature_defs = _load(self._session, path, options.tags)
        self._signatures = {
            key: _Signature(self._session, definition, batcher)
            for key, definition in self.signature_defs.items()
            if definition.method_name in _PREDICT_METHODS
        }
        _forget_functions(self._session.graph)

    def infer(self, key: str, inputs: Mapping[str, NDArray[Any]], wanted: Sequence[str] = ()) -> Arrays:
        """The outputs `wanted` (none named: all) of the signature `key`: the one way to the graph.

        Raises ServingError.
        """
        signature = self._signature(key)
        wanted = signature.check_filter(wanted)
        start = time.monotonic()
        outputs = signature.run(inputs)
        monitoring.run_took(self.name, start)
        return {alias: outputs[alias] for alias in wanted}

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Answer a request that was addressed to this version. Raises ServingError."""
        key = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = self._signature(key)
        outputs = self.infer(key, signature.decode(request.inputs), request.output_filter)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = key
        for alias, array in outputs.items():
            tensors.encode(array, signature.output_types[alias], response.outputs[alias])
        return response

    def _signature(self, key: str) -> _Signature:
        """The signature called `key`. Raises ServingError if it is not there or cannot be called."""
        if key not in self.signature_defs:
            raise failed_precondition(f'Serving signature key "{key}" not found.')
        if key not in self._signatures:
            method = self.signature_defs[key].method_name
            raise ServingError(
                Code.INTERNAL,
                "Expected prediction signature method_name to be one of "
                f"{{{', '.join(_PREDICT_METHODS)}}}. Was: {method}",
            )
        return self._signatures[key]


class _Signature:
    """One signature, ready to run."""

    def __init__(self, session: Any, definition: meta_graph_pb2.SignatureDef, batcher: Batcher | None) -> None:
        self.input_infos = dict(definition.inputs)
        self.output_types = {alias: info.dtype for alias, info in definition.outputs.items()}
        self.defaults = {alias: tensors.decode(proto) for alias, proto in definition.defaults.items()}
        for info in (*definition.inputs.values(), *definition.outputs.values()):
            if info.WhichOneof("encoding") != "name" or not tensors.encodable(info.dtype):
                raise ServingError(Code.UNIMPLEMENTED, f"signature with a tensor that is not dense: {info}")
        # Sorted by feed name, as the session numbers its arguments in messages.
        self._feeds = sorted(self.input_infos, key=lambda alias: self.input_infos[alias].name)
        # The public make_callable refuses shapes itself, in other words than the graph; this one feeds as C++ does.
        self._callable = session._make_callable_from_options(
            CallableOptions(
                feed=[self.input_infos[alias].name for alias in self._feeds],
                fetch=[info.name for info in definition.outputs.values()],
            )
        )
        self._fetches = list(definition.outputs)
        feed_names = [self.input_infos[alias].name for alias in self._feeds]
        self._results = Queue(batcher, feed_names, self._execute).run if batcher else self._execute

    def decode(self, sent: Mapping[str, tensor_pb2.TensorProto]) -> Arrays:
        """The inputs as arrays, defaults filled in. Raises ServingError if they are not the signature's."""
        if len(sent) > len(self.input_infos) or (len(sent) < len(self.input_infos) and not self.defaults):
            extra, missing = set(sent) - set(self.input_infos), set(self.input_infos) - set(sent)
            raise invalid_argument(
                f"input size does not match signature: {len(sent)}!={len(self.input_infos)} "
                f"len({_braces(sent)}) != len({_braces(self.input_infos)}). "
                f"Sent extra: {_braces(extra)}. Missing but required: {_braces(missing)}."
            )
        return {alias: self._decode_one(alias, sent) for alias in sorted(self.input_infos)}

    def _decode_one(self, alias: str, sent: Mapping[str, tensor_pb2.TensorProto]) -> NDArray[Any]:
        if alias in sent:
            try:
                return tensors.decode(sent[alias])
            except (ValueError, MemoryError) as error:
                raise invalid_argument(f"tensor parsing error: {alias}") from error
        if alias not in self.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {self.input_infos[alias].name}) not found in request "
                f"and no default value provided. Inputs expected to be in the request {_braces(sent)}, "
                f"or default input alias set: {','.join(sorted(self.defaults))}"
            )
        return self.defaults[alias]

    def check_filter(self, wanted: Sequence[str]) -> Sequence[str]:
        """The outputs to answer with: those asked for, or all. Raises ServingError on a bad filter."""
        seen: set[str] = set()
        for alias in wanted:
            if alias not in self.output_types:
                raise invalid_argument(
                    f"output tensor alias not found in signature: {alias} "
                    f"Outputs expected to be in the set {_braces(self.output_types)}."
                )
            if alias in seen:
                raise invalid_argument(f"duplicate output tensor alias: {alias}")
            seen.add(alias)
        return wanted or self._fetches

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run the graph on one array per input. Raises ServingError with the op's own code and message."""
        arrays = [inputs[alias] for alias in self._feeds]
        for index, (alias, array) in enumerate(zip(self._feeds, arrays, strict=True)):
            expected, given = self.input_infos[alias].dtype, as_dtype(array.dtype).as_datatype_enum
            if given != expected:
                raise invalid_argument(
                    f"Expects arg[{index}] to be {tensors.type_name(expected)} "
                    f"but {tensors.type_name(given)} is provided"
                )
        return dict(zip(self._fetches, self._results(arrays), strict=True))

    def _execute(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        try:
            results = self._callable(*arrays)
        except OpError as error:
            raise ServingError(Code(error.error_code), error.message) from error
        # A scalar comes back as a Python or numpy scalar.
        return [
            result if isinstance(result, np.ndarray) else np.array(result, _scalar_type(result)) for result in results
        ]


def _scalar_type(value: Any) -> Any:
    return object if isinstance(value, bytes) else None


def _load(session: Any, path: Path, tags: Sequence[str]) -> dict[str, meta_graph_pb2.SignatureDef]:
    if not any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
        raise not_found(
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. "
            "Check that the directory exists and that you have the right permissions for accessing it."
        )
    try:
        with session.graph.as_default():
            meta_graph = load_saved_model(session, list(tags), str(path))
    except OpError as error:
        raise ServingError(Code(error.error_code), error.message) from error
    except RuntimeError as error:  # no meta graph has these tags
        raise not_found(str(error)) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ServingError(Code.DATA_LOSS, f"Cannot load the SavedModel at {path}: {error}") from error
    # Copies: a part of a message keeps all of it in memory, with the graph and its constants.
    return {
        key: meta_graph_pb2.SignatureDef.FromString(definition.SerializeToString())
        for key, definition in meta_graph.signature_def.items()
    }


def _forget_functions(graph: Any) -> None:
    """Free what Python holds of a graph's functions, constants included, once the session has its own."""
    for name in list(graph._functions):
        graph._remove_function(name)


def _braces(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
