"""Windows that stand for clips of three classes."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def windows() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(1).normal(0, 0.5, (12, 50, 80)).astype(np.float32)
    return x, np.arange(12) % 3
