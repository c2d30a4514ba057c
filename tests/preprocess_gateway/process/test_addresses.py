"""Both servers on IPv6, on both families, and on a machine without IPv6; every client of theirs by an IPv6 address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from speech_emotion.audio import confine
from speech_emotion.client import Client, End
from speech_emotion.listening import host_port
from speech_emotion.store.servers import ModelServers
from tests.preprocess_gateway.conftest import FLAGS
from tests.support import no_ipv6
from tests.support.clips import tone
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer, real_server
from tests.support.networks import needs_ipv6


@pytest.fixture(scope="module")
def on_both(store: Path) -> Iterator[ModelServer]:
    """A model server on every address of both families."""
    with ModelServer(*FLAGS, config_file=store / "models.config", host="::", rest=True) as server:
        yield server


@pytest.fixture(scope="module")
def on_six(on_both: ModelServer) -> Iterator[Gateway]:
    """A gateway on IPv6 alone, which asks its model server by IPv6."""
    with Gateway(host_port("::1", on_both.port), host="[::1]") as gateway:
        yield gateway


@needs_ipv6
def test_a_model_server_on_every_address_answers_by_both_families(on_both: ModelServer) -> None:
    for host in ("127.0.0.1", "::1"):
        ModelServers((host_port(host, on_both.port),), timeout_s=60).require_available("speech_emotion", 1)
        url = f"http://{host_port(host, on_both.rest_port)}/v1/models/speech_emotion"
        assert requests.get(url, timeout=60).status_code == 200


@needs_ipv6
@pytest.mark.skipif(real_server() is None, reason="TensorFlow Serving's own server is not here")
def test_tensorflow_serving_answers_by_both_families(store: Path) -> None:
    """The chart's Services may have IPv6 addresses: the real server listens on them without a flag."""
    config = store / "models.config"
    with ModelServer(*FLAGS, config_file=config, host="0.0.0.0", rest=True, binary=real_server()) as server:
        test_a_model_server_on_every_address_answers_by_both_families(server)


@needs_ipv6
def test_service_and_probes_listen_on_ipv6(on_six: Gateway) -> None:
    assert "[::1]" in on_six.url
    assert on_six.predict(tone()).json()["model"]["version"] == 1
    assert requests.get(f"{on_six.probes}/metrics", timeout=60).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(on_six.url.replace("[::1]", "127.0.0.1"), timeout=60)


@needs_ipv6
def test_the_client_predicts_and_streams_by_ipv6(on_six: Gateway) -> None:
    with Client(on_six.url) as client:
        assert client.predict(tone()).emotion
        with client.stream(sample_rate=16_000) as stream:
            assert isinstance(list(stream.hear([bytes(2 * 16_000)]))[-1], End)


@needs_ipv6
def test_ser_predict_asks_a_service_by_ipv6(on_six: Gateway, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(tone())
    command = [sys.executable, "-m", "ser.main", "predict", str(clip), "--url", on_six.url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert '"emotion"' in done.stdout


@needs_ipv6
def test_a_gateway_on_every_address_shows_a_client_of_ipv4_as_such(on_both: ModelServer) -> None:
    """X-Forwarded-For is believed of 127.0.0.1, which a socket for both families calls ::ffff:127.0.0.1."""
    with Gateway(host_port("::1", on_both.port), host="::", trusted_proxies="127.0.0.1") as gateway:
        for host in ("127.0.0.1", "[::1]"):
            url = f"http://{host}:{gateway.port}"
            assert requests.post(f"{url}/predict", files={"file": tone()}, timeout=30).status_code == 200
            assert requests.get(f"http://{host}:{gateway.probe_port}/readyz", timeout=60).status_code == 200
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "h"}
        told = requests.get(f"http://127.0.0.1:{gateway.port}/asyncapi.json", headers=headers, timeout=60).json()
        assert told["servers"]["gateway"] == {"host": "h", "protocol": "wss"}


@pytest.mark.skipif(bool(confine.obstacle()), reason=f"no seccomp here: {confine.obstacle()}")
def test_without_ipv6_every_address_is_every_one_of_ipv4(store: Path) -> None:
    apart = {"host": "::", "prefix": no_ipv6.COMMAND}
    with (
        ModelServer(*FLAGS, config_file=store / "models.config", host="::", prefix=no_ipv6.COMMAND) as server,
        Gateway(server.address, **apart) as gateway,
    ):
        assert server.address.startswith("127.0.0.1:")
        assert gateway.predict(tone()).status_code == 200


def test_an_address_of_another_machine_is_refused_by_the_setting_that_names_it() -> None:
    gateway = Gateway("127.0.0.1:1", host="192.0.2.1")
    gateway.start(wait=False)
    try:
        assert gateway.process
        assert gateway.process.wait(120) == 1
        assert "cannot listen on 192.0.2.1:" in gateway.log
        assert "(Cannot assign requested address): set GATEWAY_HOST" in gateway.log
    finally:
        gateway.stop()
