"""What the gateway itself costs: a request without decoding, features and the model. `python -m benchmarks gateway`.

One client sends clips of 3.5 s, one after the other, as a form and raw in turns. The time of a request is the client's;
the stages are those of the gateway's own metrics, read between the requests. What is left is the gateway's own: reading
and parsing the request, admission, the answer, and the socket between both. `benchmarks.refusals` adds what a refusal
costs.
"""

from __future__ import annotations

import http.client
import io
import multiprocessing
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import soundfile

from benchmarks import refusals, uploads
from benchmarks.results import Cell, Goal, Row, Section, Spread
from benchmarks.services import Running, ours, running
from benchmarks.suite import Options

CLIP_S = 3.5
WARM, CALLS = 30, 300
STAGES = ("decode", "features", "serving")
SUM = re.compile(r'^speech_emotion_stage_duration_seconds_sum\{stage="(\w+)"\} (\S+)', re.MULTILINE)


@dataclass(frozen=True)
class Timed:
    """One request in milliseconds: all of it, and its stages."""

    total: float
    stages: dict[str, float]

    @property
    def own(self) -> float:
        """What the gateway adds to decoding, features and the call."""
        return self.total - sum(self.stages.values())


def measure(options: Options) -> list[Section]:
    """A table with a row for each form of a body, and the goals of both."""
    calls = max(20, round(CALLS * options.effort))
    rows: list[Row] = []
    goals: list[Goal] = []
    with uploads.clips() as paths:
        clips = [_cut(path) for path in paths if soundfile.info(path).duration >= CLIP_S]
    service = ours()[-1]
    with running(service, "ann", clips[0]) as started:
        for body, timed in _timed(started, clips, calls).items():
            own = [each.own for each in timed]
            alone = _socket_ms(started, body, clips, calls)
            median, p99 = (float(np.percentile(own, percent)) for percent in (50, 99))
            row: Row = {"body": body, "total, ms": _quartiles([each.total for each in timed])}
            row |= {f"{stage}, ms": _quartiles([each.stages[stage] for each in timed]) for stage in STAGES}
            rows.append(row | {"own, ms": _quartiles(own), "own p99, ms": p99, "socket alone, ms": alone})
            goals.append(Goal(name=f"{body}: own cost at the median, ms", value=median, bound="below", limit=1.5))
            goals.append(Goal(name=f"{body}: own cost at p99, ms", value=p99, bound="below", limit=3))
    about = (
        f"{service.name} with `ann`; one client posts {calls} clips of {CLIP_S} s (WAV, 48 kHz). The total is the "
        "client's; decoding, features and the call to the model server are from the gateway's own metrics. The rest is "
        "the gateway's own cost, with gunicorn, Flask and the socket between both. The last column is what the same "
        "request takes to a process that only receives it. Brackets hold the quartiles."
    )
    section = Section(title="A request without its parts", about=about, rows=rows, goals=goals)
    return [section, refusals.measure(options, clips)]


def _cut(path: str) -> bytes:
    samples, rate = soundfile.read(path, dtype="int16", frames=round(CLIP_S * soundfile.info(path).samplerate))
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    return wav.getvalue()


def _timed(started: Running, clips: list[bytes], calls: int) -> dict[str, list[Timed]]:
    """The requests of each form of a body; the forms take turns, so that neither has the warmer machine."""
    timed: dict[str, list[Timed]] = {"form": [], "raw": []}
    with ExitStack() as opened:
        posts = {body: opened.enter_context(_posting(started, body, clips)) for body in timed}
        for number in range(WARM + calls):
            for body, post in posts.items():
                request = post(number)
                if number >= WARM:
                    timed[body].append(request)
    return timed


@contextmanager
def _posting(started: Running, body: str, clips: list[bytes]) -> Iterator[Callable[[int], Timed]]:
    """What sends the clip of a number on a connection of its own, and times it."""
    upload = started.service.form if body == "form" else started.service.raw
    requests = [uploads.request_of(upload.path, upload.body, clip) for clip in clips]

    def post(number: int) -> Timed:
        before, begun = _stages(started.probe_port), time.perf_counter()
        client.sendall(requests[number % len(requests)])
        with http.client.HTTPResponse(client, method="POST") as response:
            response.begin()
            answer = response.read()
            total = time.perf_counter() - begun
            if response.status != 200:
                raise RuntimeError(f"a clip was answered by {response.status}: {answer[:500]!r}")
        after = _stages(started.probe_port)
        return Timed(1000 * total, {stage: 1000 * (after[stage] - before[stage]) for stage in STAGES})

    with socket.create_connection(("127.0.0.1", started.port), timeout=60) as client:
        yield post


def _socket_ms(started: Running, body: str, clips: list[bytes], calls: int) -> Cell:
    """What it takes to send the same requests to a process that receives them and answers with a byte."""
    upload = started.service.form if body == "form" else started.service.raw
    requests = [uploads.request_of(upload.path, upload.body, clip) for clip in clips]
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sizes = [len(requests[number % len(requests)]) for number in range(WARM + calls)]
        process = multiprocessing.get_context("spawn").Process(target=_receive, args=(listener, sizes))
        process.start()
        with socket.create_connection(listener.getsockname()) as client:
            for number in range(WARM + calls):
                begun = time.perf_counter()
                client.sendall(requests[number % len(requests)])
                client.recv(1)
                taken.append(1000 * (time.perf_counter() - begun))
        process.join()
    return _quartiles(taken[WARM:])


def _receive(listener: socket.socket, sizes: list[int]) -> None:
    buffer = memoryview(bytearray(max(sizes)))
    with listener.accept()[0] as client:
        for size in sizes:
            received = 0
            while received < size:
                if not (count := client.recv_into(buffer[received:size])):
                    return  # who sends was ended
                received += count
            client.sendall(b"x")


def _stages(port: int) -> dict[str, float]:
    """Seconds of all requests so far in each stage."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as scrape:
        return {stage: float(total) for stage, total in SUM.findall(scrape.read().decode())}


def _quartiles(values: list[float]) -> Cell:
    low, median, high = (float(np.percentile(values, percent)) for percent in (25, 50, 75))
    return Spread(median=median, low=low, high=high)
