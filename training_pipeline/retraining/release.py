"""Compare, publish, check and promote: what decides on a candidate, and brings it to the model servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speech_emotion.store.base import Store
from speech_emotion.store.publish import publish
from speech_emotion.store.servers import ModelServers
from training_pipeline.evaluation.compare import Decision
from training_pipeline.retraining import steps
from training_pipeline.retraining.check import check, rehearse
from training_pipeline.training.examples import Examples


@dataclass(frozen=True)
class Terms:
    """What a candidate must reach, and the label that a better one gets; the fields are options of the same name."""

    name: str
    label: str
    margin: float
    confidence: float
    seed: int


@dataclass(frozen=True)
class Released:
    """What became of a candidate; without a version it was refused. `label_reason` says why it has another label."""

    decision: Decision
    version: int | None = None
    golden_gap: float | None = None
    label: str | None = None
    label_reason: str = ""

    def told(self) -> str:
        """In two lines, for people."""
        decided = f"decision: {self.decision.verdict}, {self.decision.reason}"
        if self.version is None:
            return f"{decided}\nnothing was published"
        return f"{decided}\nversion {self.version}, label {self.label or 'none'} {self.label_reason}".rstrip()


def release(
    examples: Examples,
    version: Path,
    store: Store,
    servers: ModelServers,
    terms: Terms,
    work: Path,
    cache: Path | None = None,
) -> Released:
    """Let the candidate `version` serve if it is better than `stable`.

    Safe to run again: a version that the store has is not published twice, and a label that it has is given again.
    `work` is a folder for the stable version, `cache` one for features that only that version hears. Raises
    SpeechEmotionError; a candidate that is not better is no error.
    """
    decision = steps.compare_with_stable(
        examples,
        version,
        store,
        terms.name,
        work,
        margin=terms.margin,
        confidence=terms.confidence,
        seed=terms.seed,
        cache=cache,
    )
    if decision.verdict == "refuse":
        return Released(decision)
    gap = rehearse(version, terms.name)
    number = publish(store, terms.name, version)
    if servers.names:
        gap = check(store, terms.name, number, servers)
    label, why = steps.label_version(store, terms.name, number, terms.label, decision, servers)
    return Released(decision, number, gap, None if label == "none" else label, why)
