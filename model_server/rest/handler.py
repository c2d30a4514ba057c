"""What a REST call means: paths and bodies to ServerCore, its answers and errors to JSON."""

from __future__ import annotations

import codecs
import json
import math
import re
from functools import partial
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format

from model_server import monitoring
from model_server.core import NOT_BUILT, ServerCore
from model_server.errors import Code, ServingError, invalid_argument
from model_server.rest import json_tensors
from speech_emotion.protos import get_model_metadata_pb2, get_model_status_pb2, meta_graph_pb2, model_pb2

_MAX_DIGITS = 19
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(f"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>predict|classify|regress)", re.IGNORECASE)
_STATUS = re.compile(f"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?P<metadata>/metadata)?", re.IGNORECASE)
# Strings are passed over, so that only numbers of the document are found.
_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)', re.DOTALL)

HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 412,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}

# Python's words for bad JSON, and the real server's.
_JSON_ERRORS = {
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or closing bracket after an element.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}


def answer(core: ServerCore, method: str, path: str, body: bytes) -> dict[str, Any]:
    """The JSON answer to one call under /v1/; `path` as it was sent, a query included. Raises ServingError.

    The real server matches a path before it decodes it, and takes a query for a part of it.
    """
    with monitoring.request("REST") as counted:
        if method == "POST" and (found := _POST.fullmatch(path)):
            counted.model, counted.api = unquote(found["name"]), found["method"]
            return _post(core, found, body)
        if method == "GET" and (found := _STATUS.fullmatch(path)):
            if not found["name"]:
                raise invalid_argument("Missing model name in request.")
            counted.model = unquote(found["name"])
            return _metadata(core, _spec(found)) if found["metadata"] else _status(core, _spec(found))
        raise invalid_argument(f"Malformed request: {method} {path}")


def _post(core: ServerCore, found: re.Match[str], body: bytes) -> dict[str, Any]:
    if found["method"].lower() != "predict":
        raise ServingError(Code.UNIMPLEMENTED, NOT_BUILT)
    try:
        return _predict(core, _spec(found), body)
    except RecursionError as error:
        message = f"JSON Parse error: Invalid value. at offset: {len(body)}"
        raise invalid_argument(message) from error


def _spec(found: re.Match[str]) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=unquote(found["name"]))
    if found["version"]:
        digits = found["version"].lstrip("0") or "0"
        if len(digits) > _MAX_DIGITS or int(digits) >= 2**63:  # int() takes no more than some 4,000 digits
            raise invalid_argument("")  # as the real server: no body at all
        spec.version.value = int(digits)
    if found["label"]:
        spec.version_label = unquote(found["label"])
    return spec


def _status(core: ServerCore, spec: model_pb2.ModelSpec) -> dict[str, Any]:
    return _to_dict(core.status(get_model_status_pb2.GetModelStatusRequest(model_spec=spec)))


def _metadata(core: ServerCore, spec: model_pb2.ModelSpec) -> dict[str, Any]:
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    response = core.metadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return {"model_spec": _to_dict(response.model_spec), "metadata": {"signature_def": _to_dict(signatures)}}


def _to_dict(message: Any) -> dict[str, Any]:
    printed = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return dict(printed)


def _predict(core: ServerCore, spec: model_pb2.ModelSpec, body: bytes) -> dict[str, Any]:
    document = _parse(body)
    key = document.get("signature_name", "")
    if not isinstance(key, str):
        raise invalid_argument(
            f"JSON Value: {json_tensors.pretty(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    outputs = core.infer(spec, key, partial(_inputs, document))
    if "instances" in document:
        return {"predictions": json_tensors.rows_to_json(outputs)}
    return {"outputs": json_tensors.columns_to_json(outputs)}


def _inputs(document: dict[str, Any], key: str, definition: meta_graph_pb2.SignatureDef | None) -> json_tensors.Arrays:
    types = _input_types(key, definition)
    rows = "instances" in document
    if rows and "inputs" in document:
        raise invalid_argument(
            f"JSON Value: {json_tensors.pretty(document)} Not formatted correctly "
            "expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if rows:
        return json_tensors.arrays_from_rows(document["instances"], document, types)
    if "inputs" in document:
        return json_tensors.arrays_from_columns(document["inputs"], types)
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _input_types(key: str, definition: meta_graph_pb2.SignatureDef | None) -> dict[str, int]:
    if definition is None:
        raise invalid_argument(f'Serving signature name: "{key}" not found in signature def')
    types = {name: info.dtype for name, info in definition.inputs.items()}
    if not types:
        raise invalid_argument(f"Failed to get input map for signature: {key}")
    return types


def _parse(body: bytes) -> dict[str, Any]:
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        # Bytes of a string that are not UTF-8 are taken as they are.
        text = body.decode("utf-8", "surrogateescape")
        # What follows the document is ignored.
        document, _ = _DECODER.raw_decode(text, len(text) - len(text.lstrip()))
    except json.JSONDecodeError as error:
        reason = _JSON_ERRORS.get(error.msg, "Invalid value.")
        raise invalid_argument(f"JSON Parse error: {reason} at offset: {error.pos}") from error
    except OverflowError as error:
        offset = next(m.start() for m in _NUMBER.finditer(text) if m["number"] and math.isinf(float(m["number"])))
        message = f"JSON Parse error: Number too big to be stored in double. at offset: {offset}"
        raise invalid_argument(message) from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {json_tensors.pretty(document)} Is not object")
    return document


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values of one key the first counts."""
    found: dict[str, Any] = {}
    for name, value in members:
        found.setdefault(name, value)
    return found


def _number(text: str) -> int | float:
    """Raises OverflowError for a number beyond the range of a double."""
    if math.isinf(value := float(text)):
        raise OverflowError(text)
    return value if any(mark in text for mark in ".eE") else int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number, parse_float=_number)


def status_of(error: ServingError) -> int:
    """The HTTP status that stands for the error's code."""
    return HTTP_STATUS.get(error.code, 500)
