"""Is a candidate better than what serves? Paired, on held-out speakers, and only where that can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from training_pipeline.evaluation.chance import beside_chance, reaches_chance, told
from training_pipeline.savedmodel.heard_before import heard_before, listed
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.examples import Array, Examples

Verdict = Literal["publish", "canary", "unlabelled", "refuse"]
"""publish: with the label that was asked for; canary: with that label at most; unlabelled: without any; refuse: not at
all."""
SAMPLES = 10_000
CHANCE_P = 0.05
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decision:
    """What becomes of a candidate, why, and against which `stable` version that was decided."""

    verdict: Verdict
    reason: str
    stable: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def decide(
    candidate: ServableModel,
    held_out: Examples,
    majority: str,
    stable: tuple[int, ServableModel] | None,
    features_of: Callable[[ServableModel], Sequence[Array]],
    *,
    margin: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> Decision:
    """Publish a candidate that beats `stable` by more than `margin` (in accuracy), as surely as `confidence`.

    Parameters: `majority`, the most frequent emotion of training; `features_of`, the held-out clips as a version's own
    spec hears them. Chance is always the floor: a candidate that is no better than always saying `majority` is
    refused, and a first version whose accuracy may be chance, by its interval, gets no label. A stable version that
    cannot be compared lets the candidate become canary at most, for a person to judge.
    """
    right = _right(candidate, held_out, held_out.features)
    figures: dict[str, Any] = {"clips": len(right), **beside_chance(right, held_out, majority)}
    constant = figures["majority_share"]
    chance_p = float(binomtest(int(right.sum()), len(right), constant, alternative="greater").pvalue)
    figures |= {"constant_accuracy": constant, "constant_p": chance_p}
    number = stable[0] if stable else None
    if chance_p > CHANCE_P:
        reason = (
            f"no better than always saying {majority}: {right.mean():.1%} against {constant:.1%}, p = {chance_p:.2g}"
        )
        return Decision("refuse", reason, number, figures)
    if stable is None and reaches_chance(figures):
        reason = f"too few clips or speakers to tell it from chance: {told(figures)}; no label, for a person to judge"
        return Decision("unlabelled", reason, None, figures)
    if stable is None:
        return Decision("publish", "there is no stable version to compare with", None, figures)
    hindrance = incomparable(stable[1], held_out)
    if hindrance:
        reason = f"stable version {number} cannot be compared: {hindrance}; canary at most, for a person to judge"
        return Decision("canary", reason, number, figures)
    before = _right(stable[1], held_out, features_of(stable[1]))
    figures |= {"stable_accuracy": float(before.mean()), **paired(right, before, margin, seed)}
    share = figures["bootstrap_share"]
    better = share >= confidence
    reason = (
        f"{right.mean():.1%} against {before.mean():.1%} of stable version {number} on {len(right)} held-out clips: "
        f"better by more than {margin:.1%} in {share:.1%} of bootstrap samples, {confidence:.0%} are asked for"
    )
    return Decision("publish" if better else "refuse", reason, number, figures)


def incomparable(stable: ServableModel, held_out: Examples) -> str:
    """Why the stable version cannot be measured on these clips; empty: it can.

    A speaker who may be one whom it was trained on is taken for that one.
    """
    if set(stable.description.emotions) != set(held_out.emotions):
        return f"its emotions are {', '.join(stable.description.emotions)}"
    card = stable.description.card
    if not card.get("data", {}).get("speakers"):
        return "its card does not say which speakers it was trained on"
    heard = heard_before(card, held_out.data)
    if known := sorted({*heard.speakers, *heard.alike}):
        return f"it was trained on the held-out speakers {listed(known)}"
    return f"what it was started from was trained on {'; '.join(heard.before)}" if heard.before else ""


def paired(right: Bools, before: Bools, margin: float, seed: int) -> dict[str, float]:
    """McNemar's exact p (two-sided), and the share of paired bootstrap samples of clips with more gain than `margin`.

    Clips of a speaker are taken as independent, which makes both a little too sure.
    """
    won, lost = int((right & ~before).sum()), int((before & ~right).sum())
    difference = right.astype(np.float64) - before
    random = np.random.default_rng(seed)
    samples = difference[random.integers(0, len(difference), (SAMPLES, len(difference)))].mean(axis=1)
    return {
        "won": won,
        "lost": lost,
        "mcnemar_p": float(binomtest(won, won + lost).pvalue) if won + lost else 1.0,
        "bootstrap_share": float((samples > margin).mean()),
    }


def _right(model: ServableModel, held_out: Examples, features: Sequence[Array]) -> Bools:
    # By name: another version may list the same emotions in another order.
    names = np.array(model.description.emotions)
    truth = np.array([clip.emotion for clip in held_out.clips])
    return np.asarray(names[model.predict(features).argmax(axis=1)] == truth)
