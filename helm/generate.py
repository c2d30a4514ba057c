"""Generate the chart's README.md, values.schema.json and files/defaults.yaml from its values.yaml.

`# -- text` above a key documents it. `# @schema {...}` adds JSON Schema that the type of the default does not express.
`python helm/generate.py` writes the files; `--check` fails if they differ from what it would write.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from preprocess_gateway.settings import Settings

CHART = Path(__file__).parent / "speech-emotion"
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9_]*):")
TLS = {f"model_server_{file}_file" for file in ("ca", "client_cert", "client_key")}
CHARTS_OWN = {"host", "port", "probe_port", "model_server", "model_name", "model_names", "spool_dir", *TLS}
OLD_NAMES = {(part, "serviceAccountName"): "serviceAccount.name" for part in ("gateway", "modelServer", "retraining")}
"""Values of earlier charts, which are still accepted and read, and what they are called now."""
LABEL = r"^(([A-Za-z0-9][A-Za-z0-9._-]{0,61})?[A-Za-z0-9])?$"
PROBE = {"initialDelaySeconds": 0, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
"""A probe's times, and the least that Kubernetes allows."""
SHARED = {
    "labels": {"type": "object", "additionalProperties": {"type": "string", "pattern": LABEL}},
    "probe": {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"type": "integer", "minimum": least} for name, least in PROBE.items()},
    },
}
"""What `# @schema {"$ref": "#/$defs/..."}` refers to, besides the gateway's settings."""
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True)
class Value:
    """A documented value: its path, its comment, what JSON Schema says besides its type, its default."""

    path: tuple[str, ...]
    text: str
    schema: dict[str, Any]
    default: Any


def read_values(text: str) -> list[Value]:
    """Every value of `values.yaml` that has a comment, in order. Raises ValueError for a leaf without one."""
    tree = yaml.safe_load(text)
    values: list[Value] = []
    path: list[str] = []
    comment, schema = "", {}
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = stripped.removeprefix("# -- ")
        elif stripped.startswith("# @schema "):
            schema = json.loads(stripped.removeprefix("# @schema "))
        elif match := KEY.match(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            default = _at(tree, path)
            inside_value = any(tuple(path[: len(v.path)]) == v.path and "$ref" not in v.schema for v in values)
            if comment:
                values.append(Value(tuple(path), comment, schema, default))
            elif not inside_value and not isinstance(default, dict):
                raise ValueError(f"{'.'.join(path)} has no comment")
            comment, schema = "", {}
    return values


def make_schema(values: list[Value]) -> dict[str, Any]:
    """JSON Schema of the values: closed objects, so that a mistyped key is refused by name."""
    root: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$defs": {**SHARED, **_settings_schema()},
        **_closed(),
    }
    for value in values:
        if value.path[:2] == ("gateway", "settings") and len(value.path) > 2:
            continue
        node = root
        for name in value.path[:-1]:
            node = node["properties"].setdefault(name, _closed())
        described = {} if "$ref" in value.schema else {"type": TYPES[type(value.default)], "description": value.text}
        node["properties"][value.path[-1]] = {**described, **value.schema}
    for (*parts, old), name in OLD_NAMES.items():
        node = root
        for part in parts:
            node = node["properties"][part]
        node["properties"][old] = {"type": "string", "deprecated": True, "description": f"Old name of `{name}`."}
    # A chart above this one has global values of its own.
    root["properties"]["global"]["additionalProperties"] = True
    return root


def make_defaults(text: str) -> str:
    """The values without their comments: templates cannot read values.yaml itself."""
    return "# `make chart` generates this file from values.yaml.\n" + yaml.safe_dump(yaml.safe_load(text), width=1000)


def make_readme(values: list[Value]) -> str:
    """The chart's page."""
    rows = [
        f"| `{'.'.join(value.path)}` | `{json.dumps(value.default)}` | {value.text} |".replace("``", "` `")
        for value in values
    ]
    return (CHART / "README.md.in").read_text().replace("@VALUES@", "\n".join(rows))


def _settings_schema() -> dict[str, Any]:
    schema = Settings.model_json_schema()
    properties = {
        name: {key: _one_line(part) for key, part in field.items() if key not in ("title", "default")}
        for name, field in schema["properties"].items()
        if name not in CHARTS_OWN
    }
    settings = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema.get("$defs", {}), "settings": settings}


def _one_line(part: Any) -> Any:
    return " ".join(part.split()) if isinstance(part, str) else part


def _closed() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _at(tree: Any, path: list[str]) -> Any:
    for name in path:
        tree = tree[name] if isinstance(tree, dict) and name in tree else None
    return tree


def main() -> None:
    """Write the files, or check them."""
    text = (CHART / "values.yaml").read_text()
    values = read_values(text)
    made = {
        CHART / "files" / "defaults.yaml": make_defaults(text),
        CHART / "README.md": make_readme(values),
        CHART / "values.schema.json": json.dumps(make_schema(values), indent=2) + "\n",
    }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv and stale:
        sys.exit(f"not current, run `make chart`: {', '.join(path.name for path in stale)}")
    for path in stale:
        path.write_text(made[path])


if __name__ == "__main__":
    main()
