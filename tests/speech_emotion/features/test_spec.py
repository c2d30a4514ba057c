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


def test_what_the_fields_ask_for_together_is_bounded() -> None:
    framed = {"padding": "zeros", "aggregate": "none"}
    too_large = changed(**framed, window_s=60, stride_s=60, hop_length=96, blocks=[{"kind": "mel"}])
    with pytest.raises(FeatureSpecError, match="a model input of 10001 frames of 128 values exceeds 1048576 values"):
        FeatureSpec.from_json(too_large)
    # The same input, aggregated, is small; but frames as dense as these are too much to compute.
    with pytest.raises(FeatureSpecError, match=r"188 frames of 1025 values every 0.05 s .* 3854000 values"):
        FeatureSpec.from_json(changed(stride_s=0.05))
    with pytest.raises(FeatureSpecError, match="3001 frames of 2048 values every 1 s"):
        FeatureSpec.from_json(
            changed(n_fft=64, win_length=64, hop_length=32, stride_s=1.0, blocks=[{"kind": "mel", "n_mels": 256}] * 8)
        )


def test_the_largest_values_of_all_fields_are_refused_and_the_smallest_taken() -> None:
    largest, smallest = (
        {"sample_rate": rate, "n_fft": n_fft, "win_length": n_fft, "hop_length": hop, "window_s": s, "stride_s": stride}
        for rate, n_fft, hop, s, stride in ((48_000, 8_192, 32, 60, 0.05), (4_000, 64, 32, 0.1, 0.05))
    )
    with pytest.raises(FeatureSpecError, match="values for a second of audio"):
        FeatureSpec.from_json(changed(**largest))
    assert FeatureSpec.from_json(changed(**smallest)).bins == 180


def test_shape_of_unaggregated_windows() -> None:
    spec = FeatureSpec(window_s=1.0, stride_s=0.5, padding="zeros", aggregate="none", blocks=(Mel(n_mels=40),))
    assert (spec.frames, spec.bins) == (32, 40)


@pytest.mark.parametrize("model", [FeatureSpec, Mfcc, Chroma, Mel])
def test_every_field_is_documented(model: type[BaseModel]) -> None:
    undocumented = [name for name, field in model.model_fields.items() if not field.description and name != "kind"]
    assert undocumented == []
    assert spec_module.__doc__
