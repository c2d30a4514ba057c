"""A canary with another FeatureSpec: who gets it, what happens when it fails or is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests

from speech_emotion.audio import load
from speech_emotion.features import SEED_SPEC, FeatureSpec, Mel, extract
from tests.preprocess_gateway.conftest import FLAGS, LABELS
from tests.support import clips, savedmodels
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.waiting import until

OTHER_SPEC = FeatureSpec(sample_rate=8_000, window_s=2, stride_s=1, blocks=(Mel(n_mels=20, scale="db"),))
CLIP = clips.tone(3.0)
CONFIG = """
model_config_list {{ config {{ name: "speech_emotion" base_path: "{base}" model_platform: "tensorflow"
  model_version_policy {{ all {{}} }} {labels} }} }}
"""
Write = Callable[[Path], object]


def write_other(path: Path) -> None:
    savedmodels.write_linear(path, OTHER_SPEC.to_json(), LABELS, seed=2, bins=OTHER_SPEC.bins)


def write_failing(path: Path) -> None:
    savedmodels.write_failing(path, OTHER_SPEC.to_json(), LABELS)


def config(folder: Path, **labels: int) -> str:
    named = " ".join(f'version_labels {{ key: "{label}" value: {version} }}' for label, version in labels.items())
    return CONFIG.format(base=folder / "speech_emotion", labels=named)


@contextmanager
def serving(folder: Path, write_canary: Write, **settings: object) -> Iterator[Gateway]:
    savedmodels.write_linear(folder / "speech_emotion" / "1", SEED_SPEC.to_json(), LABELS, seed=1, bins=SEED_SPEC.bins)
    write_canary(folder / "speech_emotion" / "2")
    (folder / "models.config").write_text(config(folder, stable=1, canary=2))
    with ModelServer(*FLAGS, config_file=folder / "models.config") as server:
        server.wait_for_version(2)
        with Gateway(server.address, **settings) as gateway:
            yield gateway


def ask(gateway: Gateway, key: str, header: str = "X-Affinity-Key") -> dict[str, Any]:
    response = requests.post(
        f"{gateway.url}/predict",
        data=CLIP,
        headers={"Content-Type": "audio/wav", header: key},
        timeout=30,
    )
    assert response.status_code == 200, response.text
    return dict(response.json())


def expected(spec: FeatureSpec, seed: int) -> np.ndarray:
    rows = savedmodels.linear_probabilities(extract(load(CLIP, spec.sample_rate), spec), len(LABELS), seed, spec.bins)
    return np.asarray(rows.mean(axis=0))


def series(gateway: Gateway, start: str) -> dict[str, float]:
    lines = requests.get(f"{gateway.probes}/metrics", timeout=60).text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line.startswith(start))}


def test_a_share_of_clients_hears_the_canary_and_each_always_the_same(tmp_path: Path) -> None:
    with serving(tmp_path, write_other, canary_share=0.5, shadow_share=1) as gateway:
        until(
            lambda: (
                {str(ask(gateway, f"client-{n}")["model"]) for n in range(8)}
                != {str(ask(gateway, "client-0")["model"])}
            )
        )
        labels = {}
        for number in range(12):
            answers = [ask(gateway, f"client-{number}", header) for header in ("X-Affinity-Key", "X-Client-Key")]
            [label] = {answer["model"]["label"] for answer in answers}
            labels[number] = label
            spec, version = (SEED_SPEC, 1) if label == "stable" else (OTHER_SPEC, 2)
            assert answers[0]["model"] == {"name": "speech_emotion", "version": version, "label": label}
            np.testing.assert_allclose(list(answers[0]["probabilities"].values()), expected(spec, version), atol=1e-5)
        assert set(labels.values()) == {"stable", "canary"}
        predictions = series(gateway, "speech_emotion_predictions_total")
        assert {'label="stable",model="speech_emotion",version="1"' in name for name in predictions} == {True, False}
        assert sum(series(gateway, "speech_emotion_confidence_ratio_count").values()) == sum(predictions.values())
        outcomes = "speech_emotion_shadow_comparisons_total"
        agree = expected(SEED_SPEC, 1).argmax() == expected(OTHER_SPEC, 2).argmax()
        wanted = f'{outcomes}{{model="speech_emotion",outcome="{"agree" if agree else "disagree"}"}}'
        until(lambda: series(gateway, outcomes)[wanted] > 0)
        assert series(gateway, outcomes)[f'{outcomes}{{model="speech_emotion",outcome="failed"}}'] == 0


def test_a_canary_that_fails_is_answered_by_stable_and_counted(tmp_path: Path) -> None:
    with serving(tmp_path, write_failing, canary_share=1) as gateway:
        until(lambda: ask(gateway, "me") and series(gateway, "speech_emotion_canary_fallbacks_total").popitem()[1] > 0)
        answer = ask(gateway, "me")
        assert answer["model"]["label"] == "stable"
        np.testing.assert_allclose(list(answer["probabilities"].values()), expected(SEED_SPEC, 1), atol=1e-5)


def test_a_canary_that_is_taken_back_leaves_stable(tmp_path: Path) -> None:
    with serving(tmp_path, write_other, canary_share=1) as gateway:
        until(lambda: ask(gateway, "me")["model"]["label"] == "canary")
        (tmp_path / "models.config").write_text(config(tmp_path, stable=1))
        until(lambda: ask(gateway, "me")["model"]["label"] == "stable")
