"""A decoder process gives up what it does not need.

A stranger who takes it over has its memory, one socket, and the recording, where that is a file.

The kernel refuses every system call but those listed here (seccomp, through libseccomp), and no file, socket or program
can be opened by those. Landlock would add nothing to that; this works on every kernel since 3.17.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

CALLS = (
    *("read", "readv", "pread64", "write", "writev", "recvfrom", "sendto"),  # what is open
    *("recvmsg", "poll", "ppoll", "select", "pselect6"),
    *("close", "fstat", "lseek", "fcntl", "dup"),
    *("brk", "munmap", "mremap", "madvise", "membarrier"),
    *("futex", "futex_waitv", "sched_yield", "sched_getaffinity", "set_robust_list", "rseq", "getcpu"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrusage", "times"),
    *("getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getrandom", "uname", "sysinfo"),
    *("exit", "exit_group"),
)
"""What Python, numpy and FFmpeg need once they are loaded. Memory is only mapped without the right to execute it, a
signal only sent to the process itself, a resource limit only changed for itself: see `confine`."""


def obstacle() -> str | None:
    """Why a process cannot be confined here, in a sentence; None where it can."""
    try:
        import pyseccomp  # noqa: F401
    except ImportError:
        return "the package pyseccomp is not installed"
    except RuntimeError:
        return "the library libseccomp is not installed"
    status = Path("/proc/self/status")
    if not status.exists() or "\nSeccomp:" not in status.read_text():
        return "the kernel has no seccomp"
    return None


def confine() -> None:
    """Let this process and its threads make no system calls but `CALLS`, for good; others fail with EPERM.

    Everything that is needed must be loaded. Raises OSError where the kernel refuses, ImportError or RuntimeError where
    `obstacle` says why.
    """
    from pyseccomp import ALLOW, EQ, ERRNO, MASKED_EQ, Arg, SyscallFilter

    rules = SyscallFilter(ERRNO(errno.EPERM))
    for call in CALLS:
        rules.add_rule(ALLOW, call)
    for call in ("mmap", "mprotect"):
        rules.add_rule(ALLOW, call, Arg(2, MASKED_EQ, mmap.PROT_EXEC, 0))
    rules.add_rule(ALLOW, "tgkill", Arg(0, EQ, os.getpid()))  # abort() is a signal to oneself
    rules.add_rule(ALLOW, "prlimit64", Arg(0, EQ, 0))
    rules.load()  # sets no_new_privs too
