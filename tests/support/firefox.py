"""Headless Firefox of the system by WebDriver BiDi, with a microphone that hums.

Playwright drives a Firefox of its own making only, so this speaks the protocol itself, as far as the tests need it:
https://w3c.github.io/webdriver-bidi/.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from websockets.sync.client import connect
from websockets.sync.connection import Connection

FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
PREFERENCES: Mapping[str, str | int | bool] = {
    "media.navigator.streams.fake": True,  # a microphone that hums, so that none is needed
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",  # nothing is asked outside
    "toolkit.telemetry.enabled": False,
}


class FirefoxPage:
    """The one tab of a Firefox."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._ids = itertools.count()
        self.errors: list[str] = []
        self._send("session.new", capabilities={})
        self._send("session.subscribe", events=["log.entryAdded"])
        self._context = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=90))
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.errors.append(said["params"]["text"])
            if said.get("id") == number:
                break
        if said["type"] == "error":
            raise RuntimeError(f"{method}: {said['error']}: {said['message']}")
        return cast("dict[str, Any]", said["result"])

    def goto(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise; raises RuntimeError if it throws."""
        wrapped = f"(async () => JSON.stringify(await ({expression})) ?? 'null')()"
        here = {"context": self._context}
        said = self._send("script.evaluate", expression=wrapped, target=here, awaitPromise=True, userActivation=True)
        if said["type"] == "exception":
            raise RuntimeError(said["exceptionDetails"]["text"])
        return json.loads(said["result"]["value"])

    def text(self, selector: str) -> str:
        """The text of an element, nothing if it is hidden."""
        found = f"document.querySelector({json.dumps(selector)})"
        return str(self.evaluate(f"{found}?.checkVisibility() ? {found}.innerText.trim() : ''"))

    def wait_for_text(self, selector: str, pattern: str, within_s: float = 60.0) -> str:
        """The element's text as soon as it matches; fails the test if it does not in time."""
        deadline = time.monotonic() + within_s
        while not re.search(pattern, text := self.text(selector)):
            status = self.text("#status")
            assert time.monotonic() < deadline, f"{selector} says {text!r}, not {pattern!r}; the status is {status!r}"
            time.sleep(0.1)
        return text

    def click(self, selector: str) -> None:
        """Click the middle of an element, with a real pointer."""
        element = self._element(selector)
        origin = {"type": "element", "element": {"sharedId": element}}
        pointer = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        source = {"type": "pointer", "id": "mouse", "actions": pointer}
        self._send("input.performActions", context=self._context, actions=[source])

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input of files."""
        element = {"sharedId": self._element(selector)}
        self._send("input.setFiles", context=self._context, element=element, files=[str(path)])

    def _element(self, selector: str) -> str:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        said = self._send(
            "browsingContext.locateNodes", context=self._context, locator={"type": "css", "value": selector}
        )
        return str(said["nodes"][0]["sharedId"])


@contextmanager
def firefox(environment: Mapping[str, str] | None = None, **preferences: str | int | bool) -> Iterator[FirefoxPage]:
    """A Firefox with an empty profile; `environment` is added to this process's own."""
    assert FIREFOX
    with tempfile.TemporaryDirectory(prefix="firefox.", ignore_cleanup_errors=True) as home:
        profile = Path(home, "profile")
        profile.mkdir()
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in {**PREFERENCES, **preferences}.items()]
        (profile / "user.js").write_text("\n".join(lines))
        command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        log = Path(home, "log")
        with log.open("wb") as said:
            # In a group of its own: its content processes end with it.
            process = subprocess.Popen(
                command, env={**os.environ, "HOME": home, **(environment or {})}, stdout=said, stderr=said
            )
        try:
            with connect(f"{_address(log)}/session", max_size=None) as socket:
                yield FirefoxPage(socket)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(log: Path, within_s: float = 60.0) -> str:
    deadline = time.monotonic() + within_s
    while not (found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace"))):
        assert time.monotonic() < deadline, f"Firefox never listened:\n{log.read_text(errors='replace')}"
        time.sleep(0.1)
    return found[1]
