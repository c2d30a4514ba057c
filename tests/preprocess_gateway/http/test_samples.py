"""The recordings that ship, as the gateway gives them out."""

from __future__ import annotations

import pytest
import requests

from speech_emotion.samples import FOLDER, Sample, samples
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer


def get(gateway: Gateway, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{gateway.url}{path}", headers=headers, timeout=60)


def test_the_index_names_files_that_are_there_and_is_asked_for_anew(gateway: Gateway) -> None:
    index = get(gateway, "/samples/index.json")
    assert (index.status_code, index.headers["Content-Type"]) == (200, "application/json")
    assert [Sample(**entry) for entry in index.json()["samples"]] == list(samples())
    assert index.headers["Cache-Control"] == "no-cache"
    assert get(gateway, "/samples/index.json", **{"If-None-Match": index.headers["ETag"]}).status_code == 304
    for sample in samples():
        clip = get(gateway, f"/samples/{sample.file}")
        assert (clip.status_code, clip.content) == (200, sample.read())


def test_a_recording_is_kept_by_browsers_and_can_be_read_in_parts(gateway: Gateway) -> None:
    path = f"/samples/{samples()[0].file}"
    whole = get(gateway, path)
    assert (whole.headers["Content-Type"], whole.headers["X-Content-Type-Options"]) == ("audio/flac", "nosniff")
    assert whole.headers["Cache-Control"] == "public, max-age=86400"
    assert get(gateway, path, **{"If-None-Match": whole.headers["ETag"]}).status_code == 304
    part = get(gateway, path, Range="bytes=4-7")
    assert (part.status_code, part.content) == (206, whole.content[4:8])


@pytest.mark.parametrize("name", ["README.md", "none.flac", "..%2fsettings.py", "../samples.py", ""])
def test_nothing_else_is_given_away(gateway: Gateway, name: str) -> None:
    answer = get(gateway, f"/samples/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_gateway_can_be_told_to_give_none_out(model_server: ModelServer) -> None:
    with Gateway(model_server.address, samples="false") as gateway:
        for name in ("index.json", samples()[0].file):
            assert get(gateway, f"/samples/{name}").status_code == 404
    assert (FOLDER / samples()[0].file).is_file()
