"""Ports for servers under test."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

LOWEST, HIGHEST = 10_000, 29_999  # Kubernetes has the next ones for Services
RANGE_OF_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LISTENING, ESTABLISHED = "0A", "01"  # the states as the kernel writes them
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that nothing listens on, and that was not given before.

    It is not one of those that the kernel gives to connections: between the choice and the start of the server, any
    connection of this machine could take such a port.
    """
    below = int(RANGE_OF_CLIENTS.read_text().split()[0]) if RANGE_OF_CLIENTS.exists() else HIGHEST
    while True:
        port = LOWEST + secrets.randbelow(min(below, HIGHEST) - LOWEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def listeners(port: int, pid: int) -> int:
    """How many sockets listen on a TCP port in the network of a process."""
    return sum(row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in _sockets(pid))


def connections(port: int, pid: int) -> int:
    """How many established connections to a TCP port a process holds."""
    own = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()}
    to_port = (row for row in _sockets(pid) if row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED)
    return sum(f"socket:[{row[9]}]" in own for row in to_port)


def _sockets(pid: int) -> list[list[str]]:
    """The TCP sockets in the network of a process: local address, state and inode are columns 1, 3 and 9."""
    tables = (Path(f"/proc/{pid}/net/{family}").read_text() for family in ("tcp", "tcp6"))
    return [line.split() for table in tables for line in table.splitlines()[1:]]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
