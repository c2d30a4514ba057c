"""Addresses that servers listen on, in every form that people write: IPv4, IPv6 with or without brackets, names.

`::` means every address of both families, as in TensorFlow Serving and gRPC; a machine without IPv6 has `0.0.0.0`.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import Final

EVERY_ADDRESS: Final = "::"
EVERY_IPV4_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - what a container listens on
PORT_ERRORS: Final = frozenset({errno.EADDRINUSE, errno.EACCES})
"""Numbers of errors that another port avoids; all others are the address's."""
_LOOPBACK: Final = "127.0.0.1"  # it leads to a listener on `::` too


def listening_host(text: str) -> str:
    """The address to bind for `text`: without brackets, and of a family that this machine has.

    A name becomes its first address, of IPv4 if it has any; one that cannot be resolved stays as it is, so that the
    one who binds it reports it.
    """
    host = text.strip()
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _resolved(host)
    unspecified = isinstance(address, ipaddress.IPv6Address) and address.is_unspecified
    return EVERY_IPV4_ADDRESS if unspecified and not _has_ipv6() else str(address)


def reachable_host(host: str) -> str:
    """Where a client on this machine reaches a server that listens on `host`, as of `listening_host`."""
    return _LOOPBACK if host in ("", EVERY_ADDRESS, EVERY_IPV4_ADDRESS) else host


def family_of(host: str) -> socket.AddressFamily:
    """The family of sockets for an address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def host_port(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets, as in URLs and gRPC targets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens on the address; one for `::` takes IPv4 too. Raises OSError."""
    try:
        return socket.create_server((host, port), family=family_of(host), dualstack_ipv6=host == EVERY_ADDRESS)
    except OSError as error:
        if error.errno is None or error.errno <= 0:  # a name that cannot be resolved
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from error  # without the address, which is said anyway


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _resolved(name: str) -> str:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return name
    addresses = [str(address[0]) for *_, address in sorted(found, key=lambda each: each[0] != socket.AF_INET)]
    return addresses[0]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((EVERY_ADDRESS, 0))
    except OSError:
        return False
    return True
