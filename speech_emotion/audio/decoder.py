"""One decoder process, as its owner sees it: started, asked, killed, started again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import wire
from speech_emotion.audio.gather import Gathered
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import DecoderDeadlineError, DecoderFailedError, LimitError

log = logging.getLogger(__name__)
# What Python needs to find itself and its libraries, and how it reads text. All else stays with the gateway: a variable
# may hold a password, and this is the process that reads strangers' bytes.
INHERITED = (
    "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH",
    "PYTHONUTF8", "PYTHONWARNINGS", "TZ", "VIRTUAL_ENV",
)  # fmt: skip
# One thread, one arena: both would count against the memory that a clip may take. A fixed threshold lets glibc hand
# a big clip's memory back when it is done; by default it keeps it after the first.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "1048576"}
DYING_S = 1.0  # between a process closing its socket and its exit code


@dataclass(frozen=True)
class DecoderOptions:
    """What a decoder may take for one clip: the clip's own limits, CPU seconds, bytes of memory."""

    limits: Limits
    cpu_s: int = 5
    memory_bytes: int = 128 * 1024 * 1024
    module: str = "speech_emotion.audio.worker"


class Decoder:
    """A process that decodes one clip at a time; for one thread at a time."""

    def __init__(self, options: DecoderOptions, on_restart: Callable[[], object]) -> None:
        """`on_restart` is called with each process that takes the place of one that ended or was ended."""
        self._options = options
        self._on_restart = on_restart
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, which is ready a little later. Raises OSError."""
        ours, theirs = socket.socketpair()
        options = {
            "limits": asdict(self._options.limits),
            "cpu_s": self._options.cpu_s,
            "memory_bytes": self._options.memory_bytes,
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", self._options.module, str(theirs.fileno()), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={name: os.environ[name] for name in INHERITED if name in os.environ} | ENVIRONMENT,
                start_new_session=True,  # a Ctrl-C for the gateway must not end a clip it still answers
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._sock = ours

    def stop(self) -> int | None:
        """Kill the process; returns its exit code, None if there was none."""
        if self._sock:
            self._sock.close()
            self._sock = None
        if not self._process:
            return None
        process, self._process = self._process, None
        process.kill()
        return process.wait()

    def _restart(self) -> None:
        self.stop()
        self.start()
        self._on_restart()

    def _renew(self) -> None:
        """A new process at once, so that the next clip finds it ready."""
        try:
            self._restart()
        except OSError:
            log.exception("no new decoder process; the next clip tries again")

    def _post_mortem(self) -> str:
        """Why the process broke off; there is a new one then."""
        code = None
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(DYING_S)
        self._renew()
        log.warning("a decoder process ended on a clip with exit code %s", code)
        if code == -signal.SIGXCPU:
            return f"the clip takes more than {self._options.cpu_s} s of CPU time to decode"
        return "the decoder crashed on the clip"

    def decode(self, data: bytes, hints: Hints, deadline: float) -> tuple[npt.NDArray[np.float32], AudioInfo]:
        """As `audio.decode`, before `deadline` (of `time.monotonic`).

        Raises AudioError, DecoderFailedError among them, or DecoderDeadlineError; after the latter two the
        process is a new one.
        """
        try:
            if self._process is None or self._process.poll() is not None:
                self._restart()
            return self._ask(data, hints, deadline)
        except TimeoutError:
            self._renew()
            raise DecoderDeadlineError("the clip was not decoded in time") from None
        except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
            raise DecoderFailedError(self._post_mortem()) from error
        except DecoderFailedError:
            self._renew()
            raise

    def _ask(self, data: bytes, hints: Hints, deadline: float) -> tuple[npt.NDArray[np.float32], AudioInfo]:
        sock, limits = self._sock, self._options.limits
        assert sock is not None  # noqa: S101

        def wait() -> None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)

        wait()
        wire.send(sock, wire.HINTS, wire.pack_hints(hints))
        wire.send(sock, wire.CLIP, data)
        gathered: Gathered | None = None
        while True:
            kind, length = wire.receive_header(sock, wait)
            if kind == wire.BLOCK and gathered and length % (4 * gathered.info.channels) == 0:
                wire.receive_into(sock, _room(gathered, length // 4), wait)
            elif kind == wire.END and gathered:
                info = _checked(wire.unpack_info(_text(sock, length, wait)), gathered)
                return gathered.finish(), info
            elif kind == wire.INFO and not gathered:
                gathered = Gathered(wire.unpack_info(_text(sock, length, wait)), limits)
            elif kind == wire.ERROR:
                raise wire.unpack_error(_text(sock, length, wait))
            else:
                raise ValueError(f"a decoder said {kind!r}, {length} bytes")


def _checked(info: AudioInfo, gathered: Gathered) -> AudioInfo:
    """What a decoder says at the end of a clip. Raises ValueError where it sent something else."""
    if (info.sample_rate, info.channels, info.frames) != (
        gathered.info.sample_rate, gathered.info.channels, gathered.frames,
    ):  # fmt: skip
        raise ValueError("a decoder sent another clip than it says")
    return info


def _text(sock: socket.socket, length: int, wait: Callable[[], None]) -> bytes:
    if length > wire.MAX_JSON_BYTES:
        raise ValueError(f"a decoder says {length} bytes at once")
    text = bytearray(length)
    wire.receive_into(sock, memoryview(text), wait)
    return bytes(text)


def _room(gathered: Gathered, count: int) -> memoryview:
    """Where the next values go. Raises ValueError: a decoder keeps the limits itself, unless it is out of order."""
    try:
        return gathered.reserve(count).data.cast("B")
    except LimitError as error:
        raise ValueError("a decoder sends more than is allowed") from error
