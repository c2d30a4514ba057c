"""A real nginx that publishes a gateway below two paths: it keeps one of them, and takes the other off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
KEPT, STRIPPED = "/speech", "/team/voice"
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  map $request_uri $prefix {{ ~^{stripped} {stripped}; default ""; }}
  # `Host` stays the upstream's, as nginx has it by default: only X-Forwarded-Host is what clients asked for.
  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Prefix $prefix;
  server {{
    listen 127.0.0.1:{port};
    location = / {{ return 204; }}
    location = {kept} {{ proxy_pass {upstream}; }}
    location {kept}/ {{ proxy_pass {upstream}; }}
    location = {stripped} {{ proxy_pass {upstream}/; }}
    location {stripped}/ {{ proxy_pass {upstream}/; }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[str]:
    """nginx's URL, which KEPT and STRIPPED are below; skips the test where there is no nginx."""
    if NGINX is None:
        pytest.skip("no nginx: install Debian's package `nginx-light`")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=upstream, kept=KEPT, stripped=STRIPPED))
    log = folder / "start.log"
    with log.open("wb") as errors:
        process = subprocess.Popen([NGINX, "-c", config, "-e", log], stderr=errors)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(url, timeout=2)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx does not answer:\n{log.read_text()}")
