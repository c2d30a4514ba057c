"""One gateway, several models of a store: by name, by default, and one that comes late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from speech_emotion.audio import load
from speech_emotion.features import SEED_SPEC, FeatureSpec, extract
from tests.preprocess_gateway.conftest import FLAGS, LABELS
from tests.preprocess_gateway.core.test_canary import OTHER_SPEC
from tests.support import clips, savedmodels
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.waiting import until

CLIP = clips.tone(3.0)
WAV = {"Content-Type": "audio/wav"}
OTHER_LABELS = ("yes", "no")
MODEL = (
    'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" '
    'model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: {version} }} }}'
)


def configured(folder: Path, **versions: int) -> str:
    entries = (MODEL.format(name=name, base=folder / name, version=version) for name, version in versions.items())
    return f"model_config_list {{ {' '.join(entries)} }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large model and a small one with features and emotions of its own; the configuration names the large one."""
    folder = tmp_path_factory.mktemp("models")
    savedmodels.write_linear(folder / "large" / "1", SEED_SPEC.to_json(), LABELS, seed=1, bins=SEED_SPEC.bins)
    savedmodels.write_linear(folder / "small" / "4", OTHER_SPEC.to_json(), OTHER_LABELS, seed=4, bins=OTHER_SPEC.bins)
    (folder / "models.config").write_text(configured(folder, large=1))
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Gateway]:
    with (
        ModelServer(*FLAGS, config_file=folder / "models.config", name="large") as server,
        Gateway(server.address, model_names="large, small") as gateway,
    ):
        yield gateway


def ask(gateway: Gateway, path: str) -> requests.Response:
    return requests.post(f"{gateway.url}{path}", data=CLIP, headers=WAV, timeout=30)


def expected(spec: FeatureSpec, labels: tuple[str, ...], seed: int) -> list[float]:
    features = extract(load(CLIP, spec.sample_rate), spec)
    return list(savedmodels.linear_probabilities(features, len(labels), seed, spec.bins).mean(axis=0))


def test_a_model_that_is_not_there_yet_keeps_nobody_from_the_default_one(service: Gateway, folder: Path) -> None:
    assert ask(service, "/predict").json()["model"]["name"] == "large"
    late = ask(service, "/v1/models/small/predict")
    assert (late.status_code, late.json()["code"]) == (503, "model_unavailable")
    assert "Retry-After" in late.headers
    listed = requests.get(f"{service.url}/v1/models", timeout=60).json()["models"]
    assert [(model["name"], len(model["versions"])) for model in listed] == [("large", 1), ("small", 0)]
    (folder / "models.config").write_text(configured(folder, large=1, small=4))
    until(lambda: ask(service, "/v1/models/small/predict").status_code == 200)
    listed = requests.get(f"{service.url}/v1/models", timeout=60).json()["models"]
    assert [version["emotions"] for model in listed for version in model["versions"]] == [
        list(LABELS), list(OTHER_LABELS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "model", "spec", "labels"),
    [
        ("/predict", {"name": "large", "version": 1, "label": "stable"}, SEED_SPEC, LABELS),
        ("/v1/models/large/predict", {"name": "large", "version": 1, "label": "stable"}, SEED_SPEC, LABELS),
        ("/v1/models/small/predict", {"name": "small", "version": 4, "label": "stable"}, OTHER_SPEC, OTHER_LABELS),
    ],
)
def test_each_model_answers_with_its_own_features_and_emotions(
    service: Gateway, folder: Path, path: str, model: dict[str, object], spec: FeatureSpec, labels: tuple[str, ...]
) -> None:
    (folder / "models.config").write_text(configured(folder, large=1, small=4))
    until(lambda: ask(service, path).status_code == 200)
    answer = ask(service, path).json()
    assert answer["model"] == model
    assert tuple(answer["probabilities"]) == labels
    version = int(str(model["version"]))
    np.testing.assert_allclose(list(answer["probabilities"].values()), expected(spec, labels, version), atol=1e-5)
    counted = f'emotion="{answer["emotion"]}",label="stable",model="{model["name"]}",version="{version}"'
    assert counted in requests.get(f"{service.probes}/metrics", timeout=60).text


@pytest.mark.parametrize("name", ["absent", "Large", "%E2%98%83", "a" * 2000])
def test_an_unknown_name_is_a_problem_that_says_which_there_are(service: Gateway, name: str) -> None:
    response = ask(service, f"/v1/models/{name}/predict")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
    assert "large, small" in response.json()["detail"]
    assert len(response.json()["detail"]) < 300


@pytest.mark.parametrize("path", ["/v1/models//predict", "/v1/models/large/small/predict", "/v1/models/large"])
def test_other_paths_below_the_models_are_not_found(service: Gateway, path: str) -> None:
    response = ask(service, path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_the_same_parameters_and_limits_hold_for_every_model(service: Gateway) -> None:
    assert ask(service, "/v1/models/large/predict?top=0").json()["code"] == "bad_query"
    answer = ask(service, "/v1/models/large/predict?top=1&timeline=true").json()
    assert len(answer["probabilities"]) == 1
    assert answer["timeline"]


def test_the_description_names_the_models(service: Gateway) -> None:
    paths = requests.get(f"{service.url}/openapi.json", timeout=60).json()["paths"]
    (name,) = (
        parameter for parameter in paths["/v1/models/{name}/predict"]["post"]["parameters"] if parameter["in"] == "path"
    )
    assert name["schema"]["enum"] == ["large", "small"]
