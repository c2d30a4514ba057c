"""A compiled pipeline as a Mermaid flowchart: its tasks, what they hand on, and the artifacts that Kubeflow shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any


def mermaid(pipeline: Mapping[str, Any]) -> str:
    """The flowchart of the specification of a compiled pipeline; a task in a loop is not drawn, but the loop is.

    Boxes are tasks, which have a thick border if the cache may serve them; rounded boxes are artifacts. Arrows between
    tasks carry parameters.
    """
    tasks = pipeline["root"]["dag"]["tasks"]
    lines = ["flowchart LR"]
    for name, task in tasks.items():
        cached = task.get("cachingOptions", {}).get("enableCache", False)
        lines.append(f'  {_node(name)}["{name}"]' + (":::cached" if cached else ""))
        outputs = pipeline["components"][task["componentRef"]["name"]].get("outputDefinitions", {})
        for artifact, shown in outputs.get("artifacts", {}).items():
            kind = shown["artifactType"]["schemaTitle"].removeprefix("system.")
            lines.append(f'  {_node(name)} --> {_node(name, artifact)}(["{artifact}: {kind}"])')
    for name, task in tasks.items():
        handed: dict[str, list[str]] = defaultdict(list)
        for producer, parameter in _sources(task, "parameters", "taskOutputParameter", "outputParameterKey"):
            handed[producer].append(parameter)
        for producer, parameters in handed.items():
            lines.append(f"  {_node(producer)} -- {', '.join(sorted(parameters))} --> {_node(name)}")
        for producer, artifact in _sources(task, "artifacts", "taskOutputArtifact", "outputArtifactKey"):
            lines.append(f"  {_node(producer, artifact)} --> {_node(name)}")
    return "\n".join([*lines, "  classDef cached stroke-width:3px"]) + "\n"


def _sources(task: Mapping[str, Any], kind: str, output: str, key: str) -> Iterator[tuple[str, str]]:
    """Each task whose output this one takes, and the name of that output."""
    for source in task.get("inputs", {}).get(kind, {}).values():
        if output in source:
            yield source[output]["producerTask"], source[output][key]


def _node(*names: str) -> str:
    # A word such as `end` means something else to Mermaid.
    return "_".join(["task", *names]).replace("-", "_")
