from __future__ import annotations

import pytest

from training_pipeline.errors import UnknownModelError
from training_pipeline.networks.registry import find


def test_an_unknown_model_names_those_there_are() -> None:
    with pytest.raises(UnknownModelError, match="ann, edge, mlp"):
        find("transformer")


def test_a_trial_can_be_evaluated_and_not_served() -> None:
    assert not find("whisper-frozen/no-mixup", trials=True).calibrated
    with pytest.raises(
        UnknownModelError, match="no model 'whisper-frozen/no-mixup': there are ann, edge, mlp, whisper"
    ):
        find("whisper-frozen/no-mixup")
