"""The server behind the protocols: which models there are, what their labels mean, who answers a call.

Speaks TensorFlow Serving's messages; knows neither gRPC nor HTTP.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from model_server.config import check_config
from model_server.errors import Code, failed_precondition, invalid_argument, not_found
from model_server.loader import Loader, State
from model_server.servable import DEFAULT_SIGNATURE, Arrays, Servable
from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    meta_graph_pb2,
    model_pb2,
    model_server_config_pb2,
    predict_pb2,
)

_log = logging.getLogger(__name__)
_SIGNATURE_DEF = "signature_def"
NOT_BUILT = (
    "Classify, Regress and MultiInference are not built in this server: use TensorFlow Serving (tensorflow/serving)"
)


class Watcher(Protocol):
    """Turns a list of models into wanted versions (see watchers.BasePathWatcher)."""

    def watch(self, models: Sequence[model_server_config_pb2.ModelConfig]) -> None:
        """Watch these models, and no others."""


class ServerCore:
    """Answers calls from the loader's versions, under the configuration last accepted."""

    def __init__(self, loader: Loader, watcher: Watcher, *, allow_labels_for_unavailable: bool = False) -> None:
        self._loader = loader
        self._watcher = watcher
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self._reloading = threading.Lock()
        self._config: model_server_config_pb2.ModelServerConfig | None = None
        # Replaced, never changed: requests read it without a lock.
        self._labels: dict[str, dict[str, int]] = {}

    def start(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        """Put the first configuration in force and wait until its models are served. Raises ServingError."""
        self.wait_until_served(self.reload(config))
        self._loader.end_of_start()

    def reload(self, config: model_server_config_pb2.ModelServerConfig) -> list[str]:
        """Put `config` in force, whole or not at all; return the names of the models that are new.

        Labels are checked before anything loads. Raises ServingError, and then nothing has changed.
        """
        with self._reloading:
            check_config(config, self._config)
            labels = self._check_labels(config)
            models = list(config.model_config_list.config)
            known = {model.name for model in self._config.model_config_list.config} if self._config else set()
            if config != self._config:
                self._watcher.watch(models)
                _log.info("configuration in force: %s", ", ".join(model.name for model in models) or "no models")
            self._log_labels(labels)
            self._config, self._labels = config, labels
            return [model.name for model in models if model.name not in known]

    def wait_until_served(self, names: Sequence[str], timeout_s: float | None = None) -> None:
        """Wait until these models have a version to serve. Raises ServingError if one of them failed."""
        self._loader.wait_until_served(names, timeout_s)

    def _check_labels(self, config: model_server_config_pb2.ModelServerConfig) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for model in config.model_config_list.config:
            for label, version in model.version_labels.items():
                moved = self._labels.get(model.name, {}).get(label, version) != version
                # A new label may point at what is not loaded yet, if allowed; a label that moves may not.
                may_point_ahead = self._allow_labels_for_unavailable and not moved
                if not may_point_ahead and not self._loader.servable(model.name, version):
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )
                labels.setdefault(model.name, {})[label] = version
        return labels

    def _log_labels(self, labels: dict[str, dict[str, int]]) -> None:
        for name in sorted({*labels, *self._labels}):
            old, new = self._labels.get(name, {}), labels.get(name, {})
            for label in sorted({*old, *new}):
                if old.get(label) != new.get(label):
                    _log.info("label %s of model %s: %s -> %s", label, name, old.get(label), new.get(label))

    def servable(self, spec: model_pb2.ModelSpec) -> Servable:
        """The version that a call is addressed to. Raises ServingError if none serves it."""
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        number = None
        choice = spec.WhichOneof("version_choice")
        if choice == "version":
            number = spec.version.value
        elif choice == "version_label":
            number = self._labels.get(spec.name, {}).get(spec.version_label)
            if number is None:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        servable = self._loader.servable(spec.name, number)
        if servable is None:
            wanted = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise not_found(f"Servable not found for request: {wanted}")
        return servable

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Run one signature of one version. Raises ServingError."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return self.servable(request.model_spec).predict(request)

    def infer(
        self, spec: model_pb2.ModelSpec, key: str, read: Callable[[str, meta_graph_pb2.SignatureDef | None], Arrays]
    ) -> Arrays:
        """Run the signature `key` (empty: the default one) of one version on arrays; raises ServingError.

        `read` makes the inputs from the signature's name and its definition, which is None where the version has no
        signature of that name. The same version then answers.
        """
        key = key or DEFAULT_SIGNATURE
        servable = self.servable(spec)
        return servable.infer(key, read(key, servable.signature_defs.get(key)))

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of one version. Raises ServingError."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {field} is not supported")
        servable = self.servable(request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, definition in servable.signature_defs.items():
            signatures.signature_def[key].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """State of one version, or of all there were; labels are ignored. Raises ServingError."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec, states = request.model_spec, self._loader.states(request.model_spec.name)
        if spec.HasField("version"):
            states = [state for state in states if state[0] == spec.version.value]
            if not states:
                raise not_found(f"Could not find version {spec.version.value} of model {spec.name}")
        if not states:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in states:
            entry = response.model_version_status.add(version=number, state=int(State(state)))
            entry.status.error_code = int(error.code if error else Code.OK)
            entry.status.error_message = error.message if error else ""
        return response
