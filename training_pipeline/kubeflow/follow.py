"""A run on Kubeflow Pipelines until its end: the state of each task, and the logs of those that failed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import kfp

from training_pipeline.kubeflow.client import Place
from training_pipeline.kubeflow.parameters import BackendError

POLL_S = 2.0
SILENCE_S = 120.0
"""How long the backend may be away while a run is followed: a port-forward that is started again takes less."""
LOG_LINES = 60
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
_CHATTER = re.compile(r'[IW]\d{4} \d\d:\d\d:[\d.]+ |time="\S+" level=info ')
"""How the lines begin that Kubeflow's launcher and TensorFlow write around those of a task."""


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its state, that of each task that began, and the log of each that failed."""

    run_id: str
    state: str
    seconds: float
    tasks: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether every task did its work."""
        return self.state == "SUCCEEDED"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def told(self) -> str:
        """For people."""
        logs = [f"--- log of {task}\n{log.rstrip()}" for task, log in self.logs.items()]
        return "\n".join([*logs, f"run {self.run_id} {self.state.lower()} after {self.seconds:.0f} s"])


def follow(place: Place, run_id: str, tell: Callable[[str], None]) -> Ended:
    """Wait for the end of a run, and `tell` each change of a task's state.

    A run that ends badly is no error here. Raises BackendError if the backend is away for longer than SILENCE_S.
    """
    begun = time.monotonic()
    told: dict[str, str] = {}
    for run in _until_ended(place, run_id):
        states = {name: str(detail.state) for name, detail in _tasks(run).items() if detail.state}
        for name, state in states.items():
            if told.get(name) != state:
                tell(f"{time.monotonic() - begun:5.0f} s  {name} {state.lower()}")
        told |= states
    with place.client() as client:
        logs = {str(detail.display_name): _log(client, run_id, detail) for detail in _failed(run)}
    return Ended(run_id, str(run.state), time.monotonic() - begun, told, logs)


def _until_ended(place: Place, run_id: str) -> Iterator[Any]:
    """What the backend says of the run, every POLL_S, up to what it says of its end."""
    heard = time.monotonic()
    while True:
        try:
            with place.client() as client:
                run = client.get_run(run_id)
        except BackendError:
            if time.monotonic() - heard > SILENCE_S:
                raise
        else:
            heard = time.monotonic()
            yield run
            if run.state in ENDED:
                return
        time.sleep(POLL_S)


def _failed(run: Any) -> list[Any]:
    """The tasks that failed; where none has begun, what should have started them."""
    tasks = [task for task in _tasks(run).values() if task.state == "FAILED"]
    details = (run.run_details and run.run_details.task_details) or []
    return tasks or [one for one in details if one.state == "FAILED" and one.display_name.endswith("-driver")]


def _tasks(run: Any) -> dict[str, Any]:
    """The tasks of the pipeline by name: the backend also lists drivers, executors and loops."""
    spec = run.pipeline_spec.get("pipeline_spec", run.pipeline_spec)
    dags = [spec["root"], *spec.get("components", {}).values()]
    names = {name for part in dags for name in part.get("dag", {}).get("tasks", {})}
    details = (run.run_details and run.run_details.task_details) or []
    found = {detail.display_name: detail for detail in details if detail.display_name in names}
    return dict(sorted(found.items(), key=lambda item: item[1].create_time))


def _log(client: kfp.Client, run_id: str, task: Any) -> str:
    """The end of what a task has written: its pods are among its children, which also list the tasks after it."""
    for child in task.child_tasks or []:
        path = f"/apis/v1alpha1/runs/{quote(run_id)}/nodes/{quote(str(child.pod_name))}/log"
        text = _get(client, path)
        if not text.startswith('{"error_message"'):
            return "\n".join(list(_of_the_task(text.splitlines()))[-LOG_LINES:])
    return "there is no log: the task's pod did not start, or is gone"


def _of_the_task(lines: Sequence[str]) -> Iterator[str]:
    """The lines that are no chatter, which may be continued by indented lines and a closing brace."""
    chatter = False
    for line in lines:
        chatter = bool(_CHATTER.match(line)) or (chatter and line.startswith((" ", "}")))
        if not chatter:
            yield line


def _get(client: kfp.Client, path: str) -> str:
    # kfp's client has no call for logs; its own connection has the credentials.
    api = client._run_api.api_client
    answer = api.call_api(path, "GET", auth_settings=["Bearer"], _preload_content=False, _return_http_data_only=True)
    return str(answer.data.decode(errors="replace"))
