"""Run a program as on a machine without IPv6: `python -m tests.support.no_ipv6 COMMAND ...`"""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Final

COMMAND: Final = (sys.executable, "-m", "tests.support.no_ipv6")


def main() -> None:
    from pyseccomp import ALLOW, EQ, ERRNO, Arg, SyscallFilter

    rules = SyscallFilter(ALLOW)
    rules.add_rule(ERRNO(errno.EAFNOSUPPORT), "socket", Arg(0, EQ, socket.AF_INET6))
    rules.load()
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
