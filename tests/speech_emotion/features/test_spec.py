from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from speech_emotion.errors import FeatureSpecError
from speech_emotion.features import SEED_SPEC, Chroma, FeatureSpec, Mel, Mfcc
from speech_emotion.features import spec as spec_module

# A change here means that every model trained so far gets other features: bump schema_version instead.
SEED_FINGERPRINT = "b22410550cfde90cf04f34985747792ed76180bcc08436fb7cf486ccf94913f2"


def changed(**fields: object) -> str:
    return json.dumps({**SEED_SPEC.model_dump(mode="json"), **fields})


def test_the_seeds_fingerprint_stays() -> None:
    assert SEED_SPEC.fingerprint == SEED_FINGERPRINT
    assert (SEED_SPEC.frames, SEED_SPEC.bins) == (1, 180)


def test_json_round_trip_keeps_the_fingerprint() -> None:
    assert FeatureSpec.from_json(SEED_SPEC.to_json()) == SEED_SPEC
    assert FeatureSpec.from_json(SEED_SPEC.to_json()).fingerprint == SEED_SPEC.fingerprint


def test_a_single_field_changes_the_fingerprint() -> None:
    assert FeatureSpec.from_json(changed(hop_length=256)).fingerprint != SEED_SPEC.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        changed(schema_version=2),
        changed(sample_rate=10**9),
        changed(n_fft=1 << 20),
        changed(hop_length=0),
        changed(window_s=1e9),
        changed(window_s=float("nan")),
        changed(stride_s=7.0),
        changed(win_length=4096),
        changed(window="kaiser"),
        changed(blocks=[]),
        changed(blocks=[{"kind": "mel"}] * 9),
        changed(blocks=[{"kind": "wavelet"}]),
        changed(blocks=[{"kind": "mel", "n_mels": 100_000}]),
        changed(blocks=[{"kind": "mel", "fmin": 5000.0, "fmax": 100.0}]),
        changed(blocks=[{"kind": "mfcc", "n_mels": 20, "n_mfcc": 40}]),
        changed(aggregate="none"),
        changed(dither=0.1),
    ],
)
def test_unknown_or_unbounded_is_refused(text: str) -> None:
    with pytest.raises(FeatureSpecError, match="not a feature specification"):
        FeatureSpec.from_json(text)


def test_shape_of_unaggregated_windows() -> None:
    spec = FeatureSpec(window_s=1.0, stride_s=0.5, padding="zeros", aggregate="none", blocks=(Mel(n_mels=40),))
    assert (spec.frames, spec.bins) == (32, 40)


@pytest.mark.parametrize("model", [FeatureSpec, Mfcc, Chroma, Mel])
def test_every_field_is_documented(model: type[BaseModel]) -> None:
    undocumented = [name for name, field in model.model_fields.items() if not field.description and name != "kind"]
    assert undocumented == []
    assert spec_module.__doc__
