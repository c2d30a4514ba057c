"""`python -m model_server`: check the flags and the port, then bring in TensorFlow and serve."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from model_server.flags import EXIT_CODE, parse_flags
from speech_emotion.cpus import limit_threads
from speech_emotion.listening import PORT_ERRORS, host_port, listening_host, open_listener

HOST_VARIABLE = "MODEL_SERVER_HOST"


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal. Returns an exit code only if the server cannot start."""
    flags = parse_flags(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _die)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    host = listening_host(os.environ.get(HOST_VARIABLE) or "127.0.0.1")
    for name in ("port", "rest_api_port"):
        port = getattr(flags, name)
        try:
            if port:
                open_listener(host, port).close()
        except OSError as error:
            setting = f"another --{name}" if error.errno in PORT_ERRORS else HOST_VARIABLE
            reason = error.strerror or error
            sys.stderr.write(f"model_server: cannot listen on {host_port(host, port)} ({reason}); set {setting}\n")
            return EXIT_CODE
    limit_threads()
    # Python reports what TensorFlow raises; its own lines would be one for every bad request.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model_server.serve import serve

    return serve(flags, host)


def _die(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # As the real server: at once and by the signal itself, so that calls under way end as UNAVAILABLE.
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the kernel spares process 1 of a container


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
