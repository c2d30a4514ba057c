"""The end of a connection."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

CLOSE_S = 1.25  # how long a client gets to close after its last answer
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


def close_in_time(sock: socket.socket, within_s: float = CLOSE_S) -> None:
    """Wait until the client closes, and see to it that one that goes on sending is reset.

    This runs in the connection's own thread: gunicorn would wait in the loop that serves all. What still arrives is
    read, as closing a socket with unread bytes may take the answer away from the client. After `within_s` seconds
    closing must send a reset: without one, a sender whose window is closed asks the kernel for a minute whether the
    window has opened, and learns of nothing else (the socket is gone, but stays in FIN-WAIT-2).
    """
    end = time.monotonic() + within_s
    sends = False
    with suppress(OSError):  # closed already
        sock.shutdown(socket.SHUT_WR)
        while (left_s := end - time.monotonic()) > 0:
            sock.settimeout(left_s)
            try:
                sends = bool(sock.recv(65_536))
            except TimeoutError:
                break
            if not sends:  # it has closed
                break
        if sends:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)  # a client that has not closed by now is waited for no longer
