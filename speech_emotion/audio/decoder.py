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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import wire
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import DecoderDeadlineError, DecoderFailedError

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
MINUTE_S = 60.0  # what CPU time is counted for
DYING_S = 1.0  # between a process closing its socket and its exit code


@dataclass(frozen=True)
class DecoderOptions:
    """What a decoder may take for one clip: the clip's own limits, CPU seconds for each minute of it, bytes of memory.

    `niceness`: how far it stands back for other processes.
    """

    limits: Limits
    cpu_s: int = 5
    memory_bytes: int = 128 * 1024 * 1024
    niceness: int = 0
    module: str = "speech_emotion.audio.worker"


Deadline = Callable[[], float]
"""When, on the clock of `time.monotonic`, what is now waited for must be here; asked for each block anew."""


class Decoder:
    """A process that decodes one clip at a time; for one thread at a time, `end` aside."""

    def __init__(self, options: DecoderOptions, on_restart: Callable[[], object]) -> None:
        """`on_restart` is called with each process that takes the place of one that ended or was ended."""
        self._options = options
        self._on_restart = on_restart
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._missed = False  # whether a process ended that was to stay
        self._ended = False

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, which is ready a little later. Raises OSError."""
        ours, theirs = socket.socketpair()
        options = asdict(self._options)
        module = options.pop("module")
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", module, str(theirs.fileno()), json.dumps(options)],
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

    def end(self) -> None:
        """Kill the process whatever it does, from any thread; there is no other after it."""
        self._ended = True
        if process := self._process:
            process.kill()
            process.wait()

    def _restart(self) -> None:
        self.stop()
        missed, self._missed = self._missed, True
        self.start()
        self._missed = False
        if self._ended:
            self.stop()
            raise OSError("the pool was closed")
        if missed:
            self._on_restart()

    def _renew(self) -> None:
        """A new process at once, so that the next clip finds it ready."""
        self._missed = True
        if self._ended:
            return
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
            each = " for each minute" if self._options.limits.max_duration_s > MINUTE_S else ""
            return f"the clip takes more than {self._options.cpu_s} s of CPU time to be decoded{each}"
        return "the decoder crashed on the clip"

    @contextmanager
    def open(self, source: bytes | BinaryIO, hints: Hints, deadline: Deadline) -> Iterator[Decoding]:
        """The clip's header, and blocks that are decoded as they are read; left early, the process is killed.

        Raises AudioError, DecoderFailedError among them, or DecoderDeadlineError, as reading the blocks does; after
        the latter two the process is a new one.
        """
        decoding: Decoding | None = None
        try:
            with self.watched():
                if self._process is None or self._process.poll() is not None:
                    self._missed |= self._process is not None
                    self._restart()
                assert self._sock is not None  # noqa: S101
                decoding = Decoding(self, self._sock, self._options.limits, deadline)
                decoding.ask(source, hints)
            yield decoding
        finally:
            if decoding is not None and decoding.at_work and decoding.sock is self._sock:
                self.stop()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever goes wrong between the two processes becomes an error of the clip, and the process a new one."""
        try:
            yield
        except TimeoutError:
            self._renew()
            raise DecoderDeadlineError("the clip was not decoded in time") from None
        except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
            raise DecoderFailedError(self._post_mortem()) from error
        except DecoderFailedError:
            self._renew()
            raise


class Decoding:
    """A clip in a decoder process, as `source.Source` describes it."""

    def __init__(self, decoder: Decoder, sock: socket.socket, limits: Limits, deadline: Deadline) -> None:
        self._decoder = decoder
        self.sock = sock
        self._limits = limits
        self._deadline = deadline
        self._until = 0.0
        self.at_work = False
        self.damaged = False
        self.info: AudioInfo
        self.blocks = self._blocks()

    def ask(self, source: bytes | BinaryIO, hints: Hints) -> None:
        """Send a clip and wait for its header. Raises as `Decoder.watched` expects it."""
        self._until = self._deadline()
        self._wait()
        self.at_work = True
        wire.send(self.sock, wire.HINTS, wire.pack_hints(hints))
        if isinstance(source, bytes):
            wire.send(self.sock, wire.CLIP, source)
        else:
            wire.send_file(self.sock, source.fileno())
        kind, length = wire.receive_header(self.sock, self._wait)
        text = self._text(kind, length)
        if kind != wire.INFO:
            raise ValueError(f"a decoder said {kind!r}, {length} bytes")
        self.info = wire.unpack_info(text)

    def _blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        frames = 0
        while self.at_work:
            with self._decoder.watched():
                self._until = self._deadline()
                block = self._next(frames)
            frames += len(block)
            if len(block):
                yield block

    def _next(self, frames: int) -> npt.NDArray[np.float32]:
        """The next block `[frames, channels]`, none at the end."""
        kind, length = wire.receive_header(self.sock, self._wait)
        channels = self.info.channels
        if kind == wire.BLOCK and length % (4 * channels) == 0:
            # A decoder keeps the limits itself, unless it is out of order.
            if not self._limits.allow(frames + length // (4 * channels), self.info):
                raise ValueError("a decoder sends more than is allowed")
            block = np.empty((length // (4 * channels), channels), np.float32)
            wire.receive_into(self.sock, block.data.cast("B"), self._wait)
            return block
        text = self._text(kind, length)
        if kind != wire.END:
            raise ValueError(f"a decoder said {kind!r}, {length} bytes")
        said = wire.unpack_info(text)
        if (said.sample_rate, said.channels, said.frames) != (self.info.sample_rate, channels, frames):
            raise ValueError("a decoder sent another clip than it says")
        self.at_work, self.damaged = False, said.damaged
        return np.empty((0, channels), np.float32)

    def _text(self, kind: bytes, length: int) -> bytes:
        """What is no block. Raises the error that it is."""
        if length > wire.MAX_JSON_BYTES:
            raise ValueError(f"a decoder says {length} bytes at once")
        text = bytearray(length)
        wire.receive_into(self.sock, memoryview(text), self._wait)
        if kind == wire.ERROR:
            self.at_work = False
            raise wire.unpack_error(bytes(text))
        return bytes(text)

    def _wait(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
