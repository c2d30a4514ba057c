"""The release of a candidate: compare, publish, check and promote."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from speech_emotion.store.open import open_store
from training_pipeline.kubeflow.work.given import model_servers, write
from training_pipeline.retraining.release import Terms
from training_pipeline.retraining.release import release as decide_and_serve
from training_pipeline.training.examples import Examples

_log = logging.getLogger(__name__)


def release(
    examples: str, candidate: str, store: str, options: dict[str, Any], servers: str, timeout_s: float, report: str
) -> tuple[str, int, str, str]:
    """Let the candidate serve if it is better; `options` are those of `Terms`.

    Returns the verdict, the version (0: none), its label (`none` without one), and why. Raises SpeechEmotionError.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    terms = Terms(**options)
    asked = model_servers(servers, terms.label, timeout_s)
    with tempfile.TemporaryDirectory() as work:
        released = decide_and_serve(
            Examples.load(Path(examples)), Path(candidate), open_store(store), asked, terms, Path(work)
        )
    decision = released.decision
    figures = json.dumps(decision.to_json(), indent=1)
    write(report, f"# {decision.verdict}\n\n{released.told()}\n\n```json\n{figures}\n```\n")
    _log.info("%s", released.told())
    return decision.verdict, released.version or 0, released.label or "none", released.label_reason or decision.reason
