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
from functools import partial
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
    return _outcomes({name: ATTEMPTS[name] for name in names})


def attempts_on_a_flac() -> dict[str, str]:
    """The same of a recording that is open: found by its number and its content, as nothing can be listed."""
    found: dict[str, str] = {}
    for number in range(3, 64):
        try:
            if os.pread(number, 4, 0) != b"fLaC":
                continue
        except OSError:
            continue
        tried: dict[str, Callable[[], object]] = {
            "write to the recording": partial(os.write, number, b"x"),
            "shorten the recording": partial(os.ftruncate, number, 0),
            "open the recording for writing": partial(os.open, f"/proc/self/fd/{number}", os.O_RDWR),
            "change who may read the recording": partial(os.fchmod, number, 0o777),
            "run the recording": partial(mmap.mmap, number, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
        }
        found |= _outcomes(tried)
    return found


def _outcomes(tried: dict[str, Callable[[], object]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, attempt in tried.items():
        try:
            attempt()
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
