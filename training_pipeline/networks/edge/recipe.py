"""The numbers of the distillation, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from training_pipeline.networks.pretrained.recipe import Recipe, Stage
from training_pipeline.networks.whisper import recipe as whisper

_RANKS = {"conv2": 96, "query": 48, "key": 48, "value": 64, "out": 64, "fc1": 96, "fc2": 96}


@dataclass(frozen=True)
class Student:
    """Widths, rates and epochs were chosen on one split of one fold's training speakers: see docs/measurements.

    Of `head` everything counts that shapes a head and its start; the tuning of both is `tuning`, here.
    """

    teacher: Recipe = field(default_factory=Recipe)
    ranks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(_RANKS))
    """Inner width of each factored matrix."""
    measured: int = 160
    """Training windows that decide what is kept of a matrix."""
    head: Recipe = field(
        default_factory=lambda: replace(
            Recipe(),
            blocks=1,
            frozen_blocks=0,
            start=replace(Recipe().start, epochs=40),
            attention_width=32,
            hidden=64,
            dropout=0.3,
        )
    )
    """The head's start, on the factored encoder as it is."""
    views: int = 4
    """Number of changed crops of each window that the teacher answers; fewer for a window of less weight."""
    trust: float = 0.8
    """Share of the teacher's answer in a target; the rest is the class that was acted."""
    tuning: Stage = field(default=Stage(10, 32, 5e-4, 0.02, mixup_alpha=0.4, mixup_share=0.25, fused=False))
    """Everything together."""
    encoder_rate: float = 1.5e-4
    """Peak learning rate of the factored encoder."""
    averaging: float = 0.995


_BASE = whisper.RECIPES["whisper-base"]
BY_BASE = Student(
    teacher=_BASE,
    head=replace(Student().head, copies=_BASE.copies),
    tuning=replace(Student().tuning, drawn=4_608),
)
"""Taught by the tuned Whisper-base, on one corpus or several, with as few copies for the head's start as that has."""
TRIALS = {"edge/not-taught": Student(tuning=replace(Student().tuning, epochs=0))}
"""The start alone: factored as it is, its head trained on the acted emotions."""
