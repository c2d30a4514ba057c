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


def made_up(blocks: int = 2) -> Weights:
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return random.normal(0, 0.02, shape).astype(np.float32)

    weights = {"conv1.weight": array(3, 80, WIDTH), "conv2.weight": array(3, WIDTH, WIDTH)}
    weights |= {"conv1.bias": array(WIDTH), "conv2.bias": array(WIDTH), "embed_positions.weight": array(400, WIDTH)}
    for number in range(blocks):
        own = {f"self_attn.{name}_proj.weight": array(WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
        own |= {f"self_attn.{name}_proj.bias": array(WIDTH) for name in ("q", "v", "out")}
        own |= {"fc1.weight": array(WIDTH, 4 * WIDTH), "fc1.bias": array(4 * WIDTH)}
        own |= {"fc2.weight": array(4 * WIDTH, WIDTH), "fc2.bias": array(WIDTH)}
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            own |= {f"{norm}.weight": 1 + array(WIDTH), f"{norm}.bias": array(WIDTH)}
        weights |= {f"layers.{number}.{name}": value for name, value in own.items()}
    return weights
