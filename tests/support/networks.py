"""What networks this machine has."""

from __future__ import annotations

import socket

import pytest


def has_ipv6() -> bool:
    """Whether something can listen on IPv6's loopback address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
