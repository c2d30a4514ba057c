"""An encoder made up by arithmetic, as the real one comes from a download, and a recipe of moments for it."""

from __future__ import annotations

import numpy as np

from training_pipeline.networks.pretrained.encoder import WIDTH
from training_pipeline.networks.pretrained.recipe import Recipe, Stage
from training_pipeline.networks.pretrained.weights import Weights

RECIPE = Recipe(
    blocks=2,
    start=Stage(2, 8, 1e-3, 0.05, mixup_alpha=0.3, mixup_share=1.0, fused=False),
    tuning=Stage(2, 4, 2e-4, 0.02, mixup_alpha=0.4, mixup_share=0.5, fused=False),
    copies=1,
    crop_frames=40,
    sounds=6,
)


def made_up(blocks: int = 2, width: int = WIDTH) -> Weights:
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return random.normal(0, 0.02, shape).astype(np.float32)

    weights = {"conv1.weight": array(3, 80, width), "conv2.weight": array(3, width, width)}
    weights |= {"conv1.bias": array(width), "conv2.bias": array(width), "embed_positions.weight": array(400, width)}
    for number in range(blocks):
        own = {f"self_attn.{name}_proj.weight": array(width, width) for name in ("q", "k", "v", "out")}
        own |= {f"self_attn.{name}_proj.bias": array(width) for name in ("q", "v", "out")}
        own |= {"fc1.weight": array(width, 4 * width), "fc1.bias": array(4 * width)}
        own |= {"fc2.weight": array(4 * width, width), "fc2.bias": array(width)}
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            own |= {f"{norm}.weight": 1 + array(width), f"{norm}.bias": array(width)}
        weights |= {f"layers.{number}.{name}": value for name, value in own.items()}
    return weights
