"""Both clients against a service below a path, behind a real nginx that keeps the path or takes it off."""

from __future__ import annotations

import json

import anyio
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from speech_emotion.client import AsyncClient, Client, End
from tests.support import clips

RATE = 16_000
CLIP = clips.tone(1.0, RATE)
SAMPLES = CLIP[44:]


@pytest.mark.parametrize("end", ["", "/", "/predict", "/v1/recordings"])
def test_every_call_of_the_client_takes_a_url_with_a_path(below_a_path: str, end: str) -> None:
    with Client(f"{below_a_path}{end}") as client:
        assert client.predict(CLIP, model="edge").model.name == "edge"
        assert {served.model for served in client.models()} == {"speech_emotion", "edge"}


def test_a_recording_and_a_stream_take_it_too(below_a_path: str) -> None:
    with Client(below_a_path) as client:
        with client.recording(CLIP, model="edge") as recording:
            assert len(list(recording)) == recording.summary.windows
        with client.stream(sample_rate=RATE, model="edge") as stream:
            *_, end = stream.hear([SAMPLES])
        assert isinstance(end, End)


def test_the_asynchronous_client_takes_it_too(below_a_path: str) -> None:
    async def ask() -> tuple[str, bool]:
        async with AsyncClient(below_a_path) as client:
            answer = await client.predict(CLIP, model="edge")
            async with client.recording(CLIP, model="edge") as call:
                windows = [window async for window in call]
            async with client.stream(sample_rate=RATE, model="edge") as stream:
                await stream.send(SAMPLES)
                await stream.finish()
                events = [event async for event in stream]
        return answer.model.name, bool(windows) and isinstance(events[-1], End)

    assert anyio.run(ask) == ("edge", True)


def test_a_problems_type_and_the_servers_are_at_the_path(below_a_path: str) -> None:
    host, _, path = below_a_path.removeprefix("http://").partition("/")
    problem = requests.post(f"{below_a_path}/predict", data=b"x", headers={"Content-Type": "audio/wav"}, timeout=60)
    assert problem.json()["type"] == f"/{path}/docs#unsupported_format"
    several = [("file", ("a", CLIP)), ("file", ("b", b"no audio"))]
    answers = requests.post(f"{below_a_path}/predict", files=several, timeout=30)
    assert answers.json()["results"][1]["type"] == f"/{path}/docs#unsupported_format"
    assert requests.get(f"{below_a_path}/openapi.json", timeout=60).json()["servers"] == [{"url": f"/{path}"}]
    server = {"host": host, "protocol": "ws", "pathname": f"/{path}"}
    assert requests.get(f"{below_a_path}/asyncapi.json", timeout=60).json()["servers"] == {"gateway": server}
    page = requests.get(below_a_path, timeout=60)  # without the slash; what keeps the path is redirected
    assert page.url.rstrip("/") == below_a_path
    assert f'<base href="/{path}/">' in page.text


def test_a_page_of_the_published_origin_may_open_a_stream_and_no_other(below_a_path: str) -> None:
    """nginx asks the gateway under its own name: only X-Forwarded-Host says where the page is."""
    url = f"ws{below_a_path.removeprefix('http')}/v1/stream"
    origin = below_a_path.rsplit("/", below_a_path.count("/") - 2)[0]
    with connect(url, origin=origin, proxy=None) as ws:  # type: ignore[arg-type]
        ws.send(json.dumps({"sample_rate": RATE}))
        assert json.loads(ws.recv())["type"] == "ready"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, origin="http://evil.example", proxy=None)  # type: ignore[arg-type]
    assert json.loads(refused.value.response.body)["code"] == "origin_not_allowed"
