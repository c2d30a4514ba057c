"""Networks by name: the project's own, and those of another distribution."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.plugins import OURS
from training_pipeline.errors import UnknownModelError
from training_pipeline.networks.registry import NETWORKS, find, networks


def test_every_network_is_registered_under_its_name() -> None:
    base = ("whisper-base", "whisper-base-frozen")
    whispers = ("whisper", *base, "whisper-frozen", "whisper-large", "whisper-one-block")
    assert NETWORKS.names() == ("ann", "edge", "edge-base", "mlp", *whispers)
    assert [network.name for network in networks()] == list(NETWORKS.names())
    assert {NETWORKS.provider(name) for name in NETWORKS.names()} == {OURS}


def test_a_trial_is_found_by_its_model_and_where_trials_are_asked_for() -> None:
    trials = {network.name: [trial.name for trial in network.trials] for network in networks() if network.trials}
    assert trials == {
        "edge": ["edge/not-taught"],
        "whisper-base-frozen": ["whisper-base-frozen/six-blocks"],
        "whisper-frozen": ["whisper-frozen/no-copies", "whisper-frozen/no-mixup"],
    }
    for name in (name for names in trials.values() for name in names):
        assert find(name, trials=True).name == name
        assert not find(name, trials=True).calibrated
        with pytest.raises(UnknownModelError, match=f"no model '{name}': there are ann, edge, edge-base, mlp"):
            find(name)


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_model_can_be_tried_without_calibration(name: str) -> None:
    tried, model = find(f"{name}/uncalibrated", trials=True), find(name)
    assert (tried.name, tried.calibrated, model.calibrated) == (f"{name}/uncalibrated", False, True)
    assert (tried.fit, tried.spec, tried.takes_shares) == (model.fit, model.spec, model.takes_shares)
    with pytest.raises(UnknownModelError, match="no model"):
        find(f"{name}/uncalibrated")


@pytest.mark.parametrize(
    "name", ["transformer", "mlp/", "mlp/wider", "/mlp", "", "edge/not-taught/at-all", "edge/not-taught/uncalibrated"]
)
def test_an_unknown_name_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(UnknownModelError, match="there are ann, edge, edge-base, edge/not-taught, mlp, whisper"):
        find(name, trials=True)


def test_finding_a_network_imports_no_runtime() -> None:
    code = "import sys; from training_pipeline.networks.registry import networks; list(networks()); "
    code += "print({'keras', 'tensorflow', 'sklearn'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
