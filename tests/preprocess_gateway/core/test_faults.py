"""What a model server, a model or a taken port can do to the gateway."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from preprocess_gateway.backend.versions import VersionResolver
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.answer import PredictOptions
from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.contract import Description
from speech_emotion.features import SEED_SPEC, extract
from speech_emotion.protos import get_model_status_pb2
from speech_emotion.store.config import parse_config
from tests.preprocess_gateway.conftest import CONFIG, FLAGS, LABELS
from tests.support import clips, savedmodels
from tests.support.model_server import ModelServer
from tests.support.served import client as client_of
from tests.support.served import models
from tests.support.waiting import until

END = get_model_status_pb2.ModelVersionStatus.State.END
SPEC = SEED_SPEC.to_json()
FAULTS: dict[str, Callable[[Path], Path]] = {
    "failing": lambda path: savedmodels.write_failing(path, SPEC, LABELS),
    "slow": lambda path: savedmodels.write_slow(path, SPEC, LABELS, seconds=20),
    "too_wide": lambda path: savedmodels.write_linear(path, SPEC, LABELS, outputs=5),
}


LOGGED = {
    "failing": "this model always fails",
    "slow": "DEADLINE_EXCEEDED",
    "too_wide": "answers 5 values",
    "absent": "model_unavailable",
}


@pytest.fixture(scope="module")
def faulty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """One server with every faulty model, each labelled `stable`."""
    folder = tmp_path_factory.mktemp("faulty")
    for name, write in FAULTS.items():
        write(folder / name / "1")
    configs = "\n".join(
        f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow"'
        f' version_labels {{ key: "stable" value: 1 }} }}'
        for name in FAULTS
    )
    (folder / "models.config").write_text(f"model_config_list {{ {configs} }}")
    with ModelServer(*FLAGS, config_file=folder / "models.config", name="failing") as server:
        for name in FAULTS:
            server.wait_for_version(1, name=name)
        yield server


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Filter banks are built on the first call, before the gateway is ready: no deadline counts it."""
    extract(np.zeros(SEED_SPEC.sample_rate, np.float32), SEED_SPEC)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("failing", 503, "model_contract"),
        ("slow", 504, "deadline_exceeded"),
        ("too_wide", 503, "model_contract"),
        ("absent", 503, "model_unavailable"),
    ],
)
def test_a_faulty_model_is_a_problem_with_a_code(
    faulty_server: ModelServer, model: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    deadline_s = 3.0 if model == "slow" else 60.0
    settings, metrics = Settings(model_server=faulty_server.address, model_name=model, deadline_s=deadline_s), Metrics()
    with models(settings, metrics) as served:
        if model in FAULTS:
            served.default.versions.resolve("stable", timeout_s=60)
        app = create_app(settings, Predictor(settings, served, metrics), metrics)
        response = app.test_client().post("/predict", data={"file": (io.BytesIO(clips.tone()), "clip")})
    assert (response.status_code, response.json["code"]) == (status, code), response.text
    assert ("Retry-After" in response.headers) == (status == 503)
    assert "this model always fails" not in response.text  # the graph's own words are not a client's
    assert LOGGED[model] in caplog.text


def test_a_version_that_went_away_is_resolved_and_asked_once_more(store: Path) -> None:
    both = CONFIG.format(base=store / "speech_emotion", stable=1)
    only_2 = CONFIG.format(base=store / "speech_emotion", stable=2).replace("all {}", "specific { versions: 2 }")
    flags = ("--allow_version_labels_for_unavailable_models=true",)  # no polling: the file must not undo the reload
    with (
        ModelServer(*flags, config_file=store / "models.config") as server,
        models(Settings(model_server=server.address)) as served,
    ):
        versions = served.default.versions
        server.wait_for_version(1)
        server.wait_for_version(2)
        server.reload(parse_config(both))
        assert versions.resolve("stable", timeout_s=60).version == 1
        predictor = Predictor(Settings(), served, Metrics())
        assert version_that_answers(predictor) == 1
        server.reload(parse_config(only_2))
        server.wait_for_version(1, END)
        assert versions.current("stable").version == 1  # nobody has told the gateway
        assert version_that_answers(predictor) == 2
        assert versions.current("stable").version == 2


def version_that_answers(predictor: Predictor) -> int:
    context = RequestContext(time.monotonic() + 120)
    return predictor.predict(predictor.models.default, clips.tone(), PredictOptions(), context).model.version


def test_the_resolver_outlives_a_version_that_cannot_be_warmed(model_server: ModelServer) -> None:
    warmed: list[Description] = []

    def warm(description: Description) -> None:
        warmed.append(description)
        if len(warmed) == 1:
            raise ValueError("no such filter bank")

    with client_of(Settings(model_server=model_server.address)) as client:
        versions = VersionResolver(client, ("stable",), 0.1, warm)
        versions.start()
        try:
            until(lambda: versions.ready)
        finally:
            versions.close()
    assert len(warmed) == 2
