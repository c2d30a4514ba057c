"""Fill numba's cache with what the features of every registered model compile, so that no start compiles."""

import numpy as np

from speech_emotion.features import extract
from training_pipeline.networks.registry import networks

for spec in {network.spec for network in networks()}:
    extract(np.zeros(spec.sample_rate, np.float32), spec)
