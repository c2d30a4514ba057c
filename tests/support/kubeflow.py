"""An HTTP server that takes what kfp.Client sends, and refuses what a Kubeflow Pipelines backend would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

_TYPES = {"STRING": str, "NUMBER_DOUBLE": (int, float), "NUMBER_INTEGER": (int, float), "BOOLEAN": bool}


@dataclass
class Backend:
    """What was asked for; recurring runs that are there."""

    url: str = ""
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)
    progress: list[dict[str, str]] = field(default_factory=list)
    """What a run's tasks are when it is asked for, one answer after the other; the last one stays."""
    logs: dict[str, str] = field(default_factory=dict)
    """What the pod of a task has written."""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match method, path.removeprefix("/apis/v2beta1/").split("/"):
            case "GET", ["healthz"]:
                return 200, {"multi_user": False}
            case _, ["experiments"]:
                experiment = {"experiment_id": "e1", "display_name": body.get("display_name", "speech-emotion")}
                return 200, experiment if method == "POST" else {"experiments": [experiment]}
            case "POST", ["runs"]:
                return self._take(body, self.runs, {"run_id": f"r{len(self.runs)}"})
            case "GET", ["runs", name]:
                return 200, self._run(name)
            case "GET", ["recurringruns"]:
                return 200, {"recurringRuns": list(self.recurring.values())}
            case "POST", ["recurringruns"]:
                name = f"j{len(self.recurring)}"
                status, answer = self._take(body, [], {"recurring_run_id": name})
                if status == 200:
                    self.recurring[name] = {**body, **answer}
                return status, answer
            case "DELETE", ["recurringruns", name]:
                del self.recurring[name]
                return 200, {}
        return 404, {"error": f"{method} {path}"}

    def log(self, pod: str) -> bytes:
        """As the backend answers for a pod that never was, with 200 too."""
        return self.logs.get(pod, json.dumps({"error_message": f"no log of {pod}"})).encode()

    def _run(self, name: str) -> dict[str, Any]:
        tasks = self.progress.pop(0) if len(self.progress) > 1 else self.progress[0]
        state = "FAILED" if "FAILED" in tasks.values() else "RUNNING" if "RUNNING" in tasks.values() else "SUCCEEDED"
        details = [
            {
                "display_name": task,
                "state": state,
                "create_time": f"2026-11-28T16:00:{number:02}Z",
                # First what comes after it, as the backend does.
                "child_tasks": [{"pod_name": "later"}, {"pod_name": task}],
            }
            for number, (task, state) in enumerate(tasks.items())
        ]
        body = {"run_id": name, "state": state, "run_details": {"task_details": details}}
        return {**body, "pipeline_spec": self.runs[int(name[1:])]["pipeline_spec"]}

    def _take(
        self, body: dict[str, Any], into: list[dict[str, Any]], answer: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        wrong = _wrong(body)
        if wrong:
            return 400, {"error": wrong}
        into.append(body)
        return 200, {**answer, "display_name": body["display_name"]}


def _wrong(body: dict[str, Any]) -> str:
    spec = body["pipeline_spec"]
    pipeline = spec.get("pipeline_spec", spec)
    if pipeline["schemaVersion"] != "2.1.0":
        return f"schemaVersion {pipeline['schemaVersion']}"
    known = pipeline["root"]["inputDefinitions"]["parameters"]
    for name, value in body["runtime_config"].get("parameters", {}).items():
        if name not in known:
            return f"unknown parameter {name}"
        if not isinstance(value, _TYPES[known[name]["parameterType"]]):
            return f"parameter {name} is no {known[name]['parameterType']}"
    return ""


@contextmanager
def kubeflow_backend() -> Iterator[Backend]:
    """The server, on a free port of loopback."""
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            path = urlparse(self.path).path
            if path.endswith("/log"):
                status, data = 200, backend.log(path.split("/")[-2])
            else:
                status, answer = backend.answer(self.command, path, body)
                data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    backend.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
