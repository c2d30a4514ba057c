from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from speech_emotion import listening
from tests.support.networks import needs_ipv6


@pytest.mark.parametrize(("written", "bound"), [
    ("127.0.0.1", "127.0.0.1"),
    ("0.0.0.0", "0.0.0.0"),
    (" 10.1.2.3 ", "10.1.2.3"),
    ("::1", "::1"),
    ("[::1]", "::1"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("fe80::1%eth0", "fe80::1%eth0"),
    ("localhost", "127.0.0.1"),
    ("no-such-host.invalid", "no-such-host.invalid"),
])  # fmt: skip
def test_an_address_in_any_form_becomes_the_one_to_bind(written: str, bound: str) -> None:
    assert listening.listening_host(written) == bound


@needs_ipv6
@pytest.mark.parametrize("written", ["::", "[::]", "0::0"])
def test_every_address_takes_clients_of_both_families(written: str) -> None:
    host = listening.listening_host(written)
    with listening.open_listener(host, 0) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=5).close()


def test_every_address_is_ipv4_s_on_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    of_the_kernel = socket.socket

    def without_ipv6(family: int = socket.AF_INET, *rest: Any, **named: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return of_the_kernel(family, *rest, **named)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    assert listening.listening_host("::") == listening.listening_host("[::]") == "0.0.0.0"
    assert listening.listening_host("::1") == "::1", "not asked for every address: its absence is reported"


@pytest.mark.parametrize(("host", "target"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("web", "web:80")])
def test_an_ipv6_address_stands_in_brackets_before_a_port(host: str, target: str) -> None:
    assert listening.host_port(host, 80) == target


@pytest.mark.parametrize(("host", "reached"), [("::", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1")])
def test_a_client_on_this_machine_reaches_every_address_by_loopback(host: str, reached: str) -> None:
    assert listening.reachable_host(host) == reached
