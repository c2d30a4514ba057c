"""Live streams while an operator is at work: each goes on or is told to connect again, and no window is lost."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Self

import pytest
import soundfile
import yaml

from speech_emotion.client import Client, End, LiveWindow
from tests.cluster.kit import ROOT, Cluster
from tests.cluster.release import Release
from tests.cluster.test_disruptions import settled
from tests.cluster.test_retraining import ser
from tests.support.clips import tone

RATE, BLOCK_S, STRIDE_S = 16_000, 0.1, 2.0
STREAMS = 4


class Speaker:
    """A client that speaks in real time until it is told to stop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.windows: list[tuple[float, LiveWindow]] = []
        self.end: End | None = None
        self.error: Exception | None = None

    def _run(self) -> None:
        try:
            with Client(self._url, deadline_s=120, retries=1000) as client, client.stream(sample_rate=RATE) as stream:
                for event in stream.hear(self._blocks()):
                    if isinstance(event, LiveWindow):
                        self.windows.append((time.monotonic(), event))
                    elif isinstance(event, End):
                        self.end = event
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def _blocks(self) -> Iterator[bytes]:
        samples, _ = soundfile.read(io.BytesIO(tone(30.0)), dtype="int16")
        data, size = bytes(samples.tobytes()), round(2 * RATE * BLOCK_S)
        begun, count = time.monotonic(), 0
        while not self._stop.is_set():
            at = count * size % (len(data) - size)
            yield data[at : at + size]
            count += 1
            time.sleep(max(0.0, begun + count * BLOCK_S - time.monotonic()))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(180)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    sets = (
        "gateway.ingress.host=localhost", "gateway.settings.proxies=1", "modelStore.type=pvc",
        "gateway.settings.stream_max_open_per_client=32", "modelServer.dnsRefreshSeconds=10",
    )  # fmt: skip
    with Release(cluster, "streams", sets=sets) as release:
        release.host = "localhost"  # a name that this machine knows too
        release.helm("install")
        release.wait_for_answer()
        pod = yaml.safe_load((ROOT / "k8s" / "model-store.yaml").read_text())
        spec = pod["spec"]
        spec["containers"][0]["env"][1]["value"] = f"{release.full_name}-model-server:8500"
        spec["volumes"][0]["persistentVolumeClaim"]["claimName"] = f"{release.full_name}-model-store"
        pod["metadata"]["namespace"] = release.namespace
        cluster.apply(yaml.safe_dump(pod))
        release.kubectl("wait", "pod/model-store", "--for=condition=Ready", "--timeout=120s")
        yield release


def disturbances(release: Release) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "rolling upgrade", lambda: release.helm("upgrade", sets=["gateway.settings.retry_after_s=3"])
    yield "a gateway is deleted", lambda: release.kubectl("delete", "pod", release.ready("gateway")[0])
    kill = ("--grace-period=0", "--force", "--wait=false")
    yield "a model server is killed", lambda: release.kubectl("delete", "pod", release.ready("model-server")[0], *kill)
    yield "stable is another version", lambda: ser(release, "models", "promote", "1")


@pytest.mark.timeout(1200, func_only=True)
def test_no_stream_hangs_and_none_misses_a_window(release: Release, report: Callable[[str, object], None]) -> None:
    speakers = [Speaker("http://localhost:8000") for _ in range(STREAMS)]
    marks = []
    try:
        for speaker in speakers:
            speaker.__enter__()
        time.sleep(10)
        for name, disturb in disturbances(release):
            begun = time.monotonic()
            disturb()
            settled(release)
            time.sleep(8)
            marks.append((name, begun, time.monotonic()))
    finally:
        for speaker in speakers:
            speaker.stop()
    figures = {
        name: {
            "windows": sum(begun < at < ended for speaker in speakers for at, _ in speaker.windows),
            "longest_silence_s": round(max(_silences(speakers, begun, ended), default=0.0), 1),
        }
        for name, begun, ended in marks
    }
    report("streams", figures)
    assert [repr(speaker.error) for speaker in speakers if speaker.error] == []
    for speaker in speakers:
        starts = [window.start_s for _, window in speaker.windows]
        assert starts == sorted(starts)
        assert max(after - before for before, after in pairwise(starts)) <= STRIDE_S + 0.1
        assert speaker.end is not None
        assert all(ended - begun < 600 for _, begun, ended in marks)


def _silences(speakers: list[Speaker], begun: float, ended: float) -> Iterator[float]:
    for speaker in speakers:
        times = [at for at, _ in speaker.windows if begun < at < ended]
        yield from (after - before for before, after in pairwise(times))
