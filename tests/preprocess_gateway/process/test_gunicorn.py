"""The parts of gunicorn that the worker builds on, and that gunicorn does not promise to keep."""

from __future__ import annotations

import ast
import inspect
from importlib.metadata import version

from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from preprocess_gateway.process import worker


class App:
    cfg = Config()


def test_gunicorn_has_every_part_that_the_worker_uses() -> None:
    """A part that is missing here went away in this version of gunicorn: see what took its place."""
    connection = inspect.getsource(TConn)
    base = ThreadWorker(0, 0, [], App(), 1, App.cfg, None)
    base.tmp.close()
    ours = {*vars(worker.Worker), *worker.Worker.__annotations__}
    missing = []
    used = 0
    for node in ast.walk(ast.parse(inspect.getsource(worker))):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if node.value.id == "self" and node.attr not in ours:
            used += 1
            missing += [] if hasattr(base, node.attr) else [f"ThreadWorker.{node.attr}"]
        if node.value.id == "conn":
            used += 1
            missing += [] if f"self.{node.attr} =" in connection else [f"TConn.{node.attr}"]
    overridden = ("handle", "handle_request", "handle_error", "set_accept_enabled", "accept", "notify")
    missing += [f"ThreadWorker.{name}" for name in overridden if not hasattr(base, name)]
    missing += [] if hasattr(RequestParser, "finish_body") else ["RequestParser.finish_body"]
    assert missing == [], f"gunicorn {version('gunicorn')} lacks them"
    assert used > 10
    assert "conn.close(graceful=True)" in inspect.getsource(ThreadWorker.finish_request)  # why the worker closes itself
