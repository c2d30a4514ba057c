"""What a decoder that is taken over would try, each by the kernel's own call: no other module of the project is needed.

`python -`, fed with this file, confines itself as a decoder does and prints what became of each attempt.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    """A function of the C library; raises OSError where it fails."""
    ctypes.set_errno(0)
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _read_of_the_parent() -> None:
    piece = (ctypes.c_size_t * 2)(0x400000, 8)
    _call("process_vm_readv", os.getppid(), piece, 1, piece, 1, 0)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "read the environment of the gateway": lambda: os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/escaped", os.O_WRONLY | os.O_CREAT),
    "list a folder": lambda: list(Path("/").iterdir()),
    "look at a file": Path("/etc/passwd").stat,
    "follow a link": Path("/proc/self/exe").readlink,
    "remove a file": Path("/tmp/escaped").unlink,
    "make a folder": Path("/tmp/escaped").mkdir,
    "make a file in memory": lambda: os.memfd_create("escaped"),
    "open a TCP socket": lambda: socket.socket().close(),
    "open a UDP socket": lambda: socket.socket(type=socket.SOCK_DGRAM),
    "open a UNIX socket": lambda: socket.socket(socket.AF_UNIX),
    "make a pair of sockets": socket.socketpair,
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "start a process": lambda: subprocess.run(["/bin/true"], check=False),
    "fork": _fork,
    "start a thread": lambda: threading.Thread(target=int).start(),
    "trace the gateway": lambda: _call("ptrace", 16, os.getppid(), 0, 0),
    "read the gateway's memory": _read_of_the_parent,
    "end the gateway": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "ask whether the gateway is there": lambda: os.kill(os.getppid(), 0),
    "run what it wrote": lambda: mmap.mmap(-1, 4096, prot=7),
    "change the gateway's limits": lambda: resource.prlimit(os.getppid(), 7, (9, 9)),
    "set up io_uring": lambda: _call("syscall", 425, 8, ctypes.create_string_buffer(256)),
}
REFUSED = {"EPERM", "can't start new thread"}
HARMLESS = ("read a file", "open a TCP socket", "start a process", "start a thread", "make a file in memory")


def attempts(names: Iterable[str] = ATTEMPTS) -> dict[str, str]:
    """Each attempt and the error that ended it, `succeeded` for none."""
    found: dict[str, str] = {}
    for name in names:
        try:
            ATTEMPTS[name]()
            found[name] = "succeeded"
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno or 0, str(error))
        except RuntimeError as error:  # Python's word for a thread that the kernel refused
            found[name] = str(error)
    return found


if __name__ == "__main__":
    from speech_emotion.audio import confine

    confine.confine()
    print(json.dumps(attempts()))
