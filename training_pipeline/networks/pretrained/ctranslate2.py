"""Reading a model of CTranslate2 without the library: names, shapes and arrays, no code.

Format: CTranslate2's `python/ctranslate2/specs/model_spec.py`, binary version 6, little-endian throughout.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from training_pipeline.errors import DataError

VERSION = 6
TYPES: Mapping[int, type[np.generic]] = {
    0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16,
}  # fmt: skip
"""Numbers of the types of values; 5, bfloat16, has no type in numpy."""


def read_model(data: bytes, prefix: str = "") -> tuple[str, dict[str, npt.NDArray[np.generic]]]:
    """The name of the specification, and the variables by name, those whose names begin with `prefix`.

    Arrays are views of `data`, which are not copied. Raises DataError for anything else than such a model.
    """
    try:
        return _read(data, prefix)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"not a model of CTranslate2, or an incomplete one: {error}") from error


def _read(data: bytes, prefix: str) -> tuple[str, dict[str, npt.NDArray[np.generic]]]:
    reader = _Reader(data)
    if (version := reader.number("I")) != VERSION:
        raise DataError(f"a model of CTranslate2 in version {version} of the format; {VERSION} is supported")
    specification, _revision = reader.text(), reader.number("I")
    arrays = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = tuple(reader.number("I") for _ in range(reader.number("B")))
        kind, size = reader.number("B"), reader.number("I")
        values = reader.bytes_of(size)
        if name.startswith(prefix):
            if kind not in TYPES:
                raise DataError(f"{name} has the type {kind}, which is not read")
            arrays[name] = np.frombuffer(values, np.dtype(TYPES[kind]).newbyteorder("<")).reshape(shape)
    return specification, arrays


class _Reader:
    """Takes values off the front of some bytes. Raises struct.error behind their end."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def number(self, form: str) -> int:
        (value,) = struct.unpack(f"<{form}", self.bytes_of(struct.calcsize(f"<{form}")))
        return int(value)

    def text(self) -> str:
        """Its length counts the zero byte at its end."""
        return bytes(self.bytes_of(self.number("H"))).rstrip(b"\0").decode()

    def bytes_of(self, size: int) -> memoryview:
        if size > len(self._rest):
            raise struct.error(f"{size} bytes are needed, {len(self._rest)} are left")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
