"""The numbers of a fine-tuning, in one place; these are the ones of the model that ships."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stage:
    """One stretch of training with AdamW: linear warm-up, cosine to zero, decoupled weight decay."""

    epochs: int
    batch: int
    rate: float
    """Peak learning rate of the head."""
    weight_decay: float
    mixup_alpha: float
    mixup_share: float
    """Share of batches that are mixed."""
    fused: bool
    """Compile with XLA: a quarter faster for the encoder, but slower for much dropout on little else."""
    bfloat16: bool = False
    """Multiply matrices in bfloat16 where the CPU can, without XLA: a quarter faster for the encoder."""
    drawn: int = 0
    """Number of examples that an epoch draws in proportion to their weights; 0: it takes all, and weights their losses.

    Every corpus has the same weight (`training/shares.py`), so an epoch draws equally much from each, and does not
    take longer for a large corpus.
    """


@dataclass(frozen=True)
class Recipe:
    """Fixed before this code ran on a test fold; `sounds` came later, with the detector: see docs/measurements."""

    blocks: int = 3
    """Transformer blocks kept, from the first."""
    frozen_blocks: int = 1
    """Blocks that keep their weights, as the convolutions do."""
    start: Stage = field(default=Stage(20, 128, 1e-3, 0.05, mixup_alpha=0.3, mixup_share=1.0, fused=False))
    """The head alone, on statistics of the frozen encoder."""
    tuning: Stage = field(default=Stage(8, 16, 2e-4, 0.02, mixup_alpha=0.4, mixup_share=0.5, fused=True))
    """Head and upper blocks together."""
    top_rate: float = 1e-4
    """Peak learning rate of the top block."""
    rate_decay: float = 0.7
    """Factor from a block to the one below."""
    copies: int = 4
    """Augmented copies of each window for the head's start, beside the window itself."""
    kept_copies: int = 0
    """Maximum number of augmented copies of a window. Their states behind the frozen blocks are kept.

    Tuning then computes only the blocks above, and pools the states below with plain statistics. 0: every example is
    augmented anew and goes through the whole network.
    """
    crop_frames: int = 352
    """Frames of a training example, cut at random from a window."""
    warmup: float = 0.1
    smoothing: float = 0.1
    clip_norm: float = 1.0
    averaging: float = 0.99
    """Decay per step of the moving average of the weights, which is what is kept."""
    attention_width: int = 64
    hidden: int = 256
    dropout: float = 0.5
    eight_bits: bool = False
    """Round matrices to eight bits once they are trained, so that a version is stored in a quarter of the bytes."""
    sounds: int = 600
    """Sounds without speech that the detector of speech learns from."""
