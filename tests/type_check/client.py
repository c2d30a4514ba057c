"""Typical use of the client, read by mypy alone: `test_client_types.py` runs it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np

from speech_emotion.client import Answer, AsyncClient, Client, End, LiveWindow, Now, ProblemError, ServedVersion


def ask() -> str | None:
    with Client("http://127.0.0.1:8080", deadline_s=10, retries=1, affinity_key="me", max_bytes=1_000_000) as client:
        answer = client.predict("clip.wav", top=3, timeline=True)
        client.predict(Path("clip.wav"), deadline_s=1)
        client.predict(b"RIFF", model="edge")
        client.predict(np.zeros(16_000, np.float32), sample_rate=16_000)
        with Path("clip.wav").open("rb") as file:
            client.predict(file)
        assert_type(client.predict_many(["a.wav", b"RIFF"]), list[Answer | ProblemError])
        assert_type(client.models(), list[ServedVersion])
    assert_type(answer, Answer)
    assert_type(answer.model.version, int)
    assert_type([window.emotion for window in answer.timeline], list[str | None])
    return answer.emotion


def listen(blocks: list[bytes]) -> None:
    with Client() as client, client.stream(sample_rate=16_000, stride_s=1.0, top=3) as stream:
        for event in stream.hear(blocks):
            assert_type(event, LiveWindow | Now | End)
        stream.send(np.zeros(160, np.float32))
        stream.finish()


async def ask_at_once() -> float | None:
    async with AsyncClient() as client:
        try:
            return (await client.predict("clip.wav")).confidence
        except ProblemError as problem:
            return problem.retry_after_s


def wrong(client: Client) -> None:
    client.predict(1)  # type: ignore[arg-type]
    client.predict("clip.wav", rate=8_000)  # type: ignore[call-arg]
    client.predict(open("clip.txt"))  # type: ignore[arg-type]  # noqa: PTH123, SIM115
