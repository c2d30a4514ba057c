"""The AsyncAPI 3.0 description of live streams, made from the messages' models."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from preprocess_gateway.http.live.messages import (
    EndMessage,
    ErrorMessage,
    Finish,
    NowMessage,
    ReadyMessage,
    Start,
    WindowMessage,
)
from preprocess_gateway.settings import Settings

Json = dict[str, Any]
FROM_CLIENT: tuple[type[BaseModel], ...] = (Start, Finish)
FROM_GATEWAY: tuple[type[BaseModel], ...] = (ReadyMessage, WindowMessage, NowMessage, EndMessage, ErrorMessage)
SAMPLES = "samples"
LIMITS = (
    "stream_max_open", "stream_max_open_per_client", "stream_max_s", "stream_start_s", "stream_idle_s",
    "stream_ahead_s", "stream_max_frame_bytes", "stream_max_frames_per_s", "stream_unsent_bytes",
    "stream_min_stride_s", "stream_smoothing_s", "min_sample_rate", "max_sample_rate", "max_channels",
)  # fmt: skip


def blueprint(settings: Settings) -> Blueprint:
    """`GET /asyncapi.json`; the document is built once."""
    routes = Blueprint("asyncapi", __name__)
    document = build_document(settings)

    @routes.get("/asyncapi.json")
    def asyncapi() -> Response:
        return jsonify({**document, **_servers()})

    return routes


def _servers() -> Json:
    """Where the client of this request reached the service; nothing if its `Host` is none."""
    if not request.host:
        return {}
    server = {"host": request.host, "protocol": "wss" if request.is_secure else "ws"}
    if request.script_root:
        server["pathname"] = request.script_root
    return {"servers": {"gateway": server}}


def build_document(settings: Settings) -> Json:
    """The description of a gateway with these settings; the same settings give the same document."""
    models = (*FROM_CLIENT, *FROM_GATEWAY)
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    limits = "".join(f"\n- `GATEWAY_{name.upper()}`: {getattr(settings, name)}" for name in LIMITS)
    channels = {
        "stream": _channel("/v1/stream", "The model that the service asks by default."),
        "streamByName": {
            **_channel("/v1/models/{name}/stream", "A model by its name, as `GET /v1/models` lists it."),
            "parameters": {"name": {"enum": list(settings.models), "description": "Name of the model."}},
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Speech Emotion Serving: live streams",
            "version": version("speech-emotion-serving"),
            "description": "Speech is answered while it is spoken, over WebSocket. A client sends Start, samples, and "
            "Finish; the gateway answers Ready, a Window and a Now for each window, and End; or an Error before it "
            f"closes. Limits of this gateway:\n{limits}",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "channels": channels,
        "operations": {
            **{f"receive{name[0].upper()}{name[1:]}": _operation("receive", name, _CLIENTS) for name in channels},
            **{f"send{name[0].upper()}{name[1:]}": _operation("send", name, _GATEWAYS) for name in channels},
        },
        "components": {"messages": {**_messages(), SAMPLES: _samples()}, "schemas": schemas["$defs"]},
    }


def _name(model: type[BaseModel]) -> str:
    return re.sub("Message$", "", model.__name__).lower()


_CLIENTS = (_name(Start), SAMPLES, _name(Finish))
_GATEWAYS = tuple(map(_name, FROM_GATEWAY))


def _channel(address: str, description: str) -> Json:
    names = (*_CLIENTS, *_GATEWAYS)
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def _operation(action: str, channel: str, names: tuple[str, ...]) -> Json:
    """`action` is what the gateway does."""
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }


def _messages() -> Json:
    return {
        _name(model): {
            "contentType": "application/json",
            "summary": " ".join((model.__doc__ or "").partition("\n\n")[0].split()),
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        }
        for model in (*FROM_CLIENT, *FROM_GATEWAY)
    }


def _samples() -> Json:
    return {
        "contentType": "application/octet-stream",
        "summary": "Samples in a binary frame of any size, interleaved, as Start says. A frame may end in a sample.",
        "payload": {"type": "string", "format": "binary"},
    }
