"""The recipes of the fine-tuned encoder: those that are trained by name, and trials."""

from __future__ import annotations

from dataclasses import replace

from training_pipeline.networks.pretrained.recipe import Recipe

_UNTUNED = replace(Recipe().tuning, epochs=0)
_FROZEN = Recipe(tuning=_UNTUNED)
# Of three corpora an epoch draws 768 windows each, whatever their sizes: about ten minutes of a core in all.
_BASE = Recipe(
    blocks=4,
    frozen_blocks=2,
    copies=2,
    kept_copies=6,
    eight_bits=True,
    tuning=replace(Recipe().tuning, epochs=7, drawn=2_304, fused=False, bfloat16=True),
)
RECIPES = {
    "whisper": Recipe(),
    "whisper-frozen": _FROZEN,
    "whisper-one-block": replace(_FROZEN, blocks=1),
    "whisper-base-frozen": replace(_FROZEN, blocks=4, copies=2),
    "whisper-base": _BASE,
    "whisper-large": replace(_BASE, blocks=6),
}
"""The model that ships; the head on the same encoder as it is; on its first block alone; on four of Whisper-base, with
fewer copies, as each takes three times as long; the upper two of these tuned; and the upper four of all six."""

_START = _FROZEN.start
TRIALS = {
    "whisper-frozen/no-copies": replace(_FROZEN, copies=0, start=replace(_START, epochs=5 * _START.epochs)),
    "whisper-frozen/no-mixup": replace(_FROZEN, start=replace(_START, mixup_share=0.0)),
    "whisper-base-frozen/six-blocks": replace(RECIPES["whisper-base-frozen"], blocks=6),
}
"""One change each to the recipe in front of the slash. Without copies there are more epochs, so that the head sees as
many examples."""
