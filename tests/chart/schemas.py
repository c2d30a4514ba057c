"""The API's own schemas: of Kubernetes' releases, and of the kinds that other projects add to a cluster."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.chart.helm import ROOT, Manifest

CRDS = ROOT.parent / "shared" / "cluster" / "crds"
"""Definitions of the Gateway API's and the Prometheus operator's kinds, which the cluster kit brings."""
RELEASES = ("1.30", "1.34", kubernetes_validate.latest_version())
"""The oldest that the chart allows, that of the test cluster, and the newest known here."""
OTHERS = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}


def complaints(manifest: Manifest) -> list[str]:
    """What the API server of any of the releases would refuse, unknown fields included."""
    return _complaints(json.dumps(manifest, sort_keys=True))


@functools.cache
def _complaints(text: str) -> list[str]:
    manifest = json.loads(text)
    if manifest["kind"] in OTHERS:
        return [error.message for error in _definition(manifest["kind"]).iter_errors(manifest)]
    said = []
    for release in RELEASES:
        try:
            kubernetes_validate.validate(manifest, release, strict=True)
        except kubernetes_validate.ValidationError as error:
            said.append(f"{release}: {error}")
    return said


@functools.cache
def _definition(kind: str) -> jsonschema.Draft202012Validator:
    """The schema of a kind that Kubernetes itself does not have; accepts anything where no definition is at hand."""
    for path in CRDS.glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())["spec"]
        if definition["names"]["kind"] == kind:
            schema = definition["versions"][0]["schema"]["openAPIV3Schema"]
            return jsonschema.Draft202012Validator(_closed({**schema, "properties": schema["properties"] | TOP}))
    return jsonschema.Draft202012Validator({})


TOP = {"metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def _closed(schema: Any) -> Any:
    """With unknown fields refused, as the API server does in strict validation."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
