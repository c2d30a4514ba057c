"""Parts that the descriptions of several paths have in common."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ConfigDict

from preprocess_gateway.http.catalogue import ErrorEntry, error_table
from preprocess_gateway.http.problems import PROBLEM_TYPE
from preprocess_gateway.http.query import Query
from preprocess_gateway.http.uploads import MULTIPART, RAW_TYPES

Json = dict[str, Any]
EXAMPLE_TYPES = (
    "audio/wav", "audio/flac", "audio/ogg", "audio/mpeg", "video/mp4", "video/webm", "video/quicktime", "video/3gpp",
)  # fmt: skip
"""Any audio or video type is taken."""
BYTES: Json = {"type": "string", "format": "binary"}
NOT_SHOWN = ("title", "description")
ANYWHERE = ("404", "405", "4XX", "500")
"""What any path may answer; told once under /docs, and with each operation only where a client meets it."""


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """A reference that leads to the error's text on this gateway: the path of `/docs`, `#` and the code."""
    title: str
    """The code, in words."""
    status: int
    """The HTTP status again."""
    code: str
    """Stable name of the error."""
    detail: str
    """What was wrong with this request."""
    request_id: str
    """Also the header `X-Request-ID`."""


def bodies(files: Json | None = None) -> Json:
    """A form with a file, or with `files`; or the file itself."""
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": BYTES if files is None else {"oneOf": [BYTES, files]}},
    }
    encoding = {"file": {"contentType": "application/octet-stream"}}
    raw = {media_type: {"schema": BYTES} for media_type in (*RAW_TYPES, *EXAMPLE_TYPES)}
    return {MULTIPART: {"schema": form, "encoding": encoding}, **raw}


def several_files(max_files: int) -> Json:
    """Several files in a form."""
    # No `maxItems`: more are refused by 413, which tools do not take for a refusal of what the schema rules out.
    return {"type": "array", "items": BYTES, "minItems": 1, "description": f"At most {max_files} files."}


def query_parameters(query: type[Query]) -> list[Json]:
    """The parameters of a query."""
    properties: dict[str, Json] = query.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema["description"],
            **({"style": "form", "explode": False} if schema.get("type") == "array" else {}),
            "schema": {key: value for key, value in schema.items() if key not in NOT_SHOWN and value is not None},
        }
        for name, schema in properties.items()
    ]


def problems(wanted: Callable[[ErrorEntry], bool]) -> Json:
    """Responses with the errors that are wanted, by their status."""
    chosen = (error for error in error_table() if wanted(error) and not error.streams)
    return {
        status: _problem_response(*(f"`{error.code}`: {error.text}" for error in errors))
        for status, errors in groupby(chosen, key=lambda error: error.status)
    }


def _problem_response(*lines: str) -> Json:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": "\n".join(f"- {line}" for line in lines), "content": content}


def json_response(description: str, *models: str) -> Json:
    """A response with one of these models."""
    schemas = [{"$ref": f"#/components/schemas/{model}"} for model in models]
    return {
        "description": description,
        "content": {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}},
    }
