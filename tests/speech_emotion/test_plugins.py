"""What other distributions may add, and what they may not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from speech_emotion import plugins
from speech_emotion.errors import FeatureSpecError, PluginError
from speech_emotion.features import SEED_SPEC, FeatureSpec
from speech_emotion.features.block import BLOCKS
from tests.support.plugins import OURS, write_distribution

GROUP = "speech_emotion.feature_blocks"
GOOD = """
from typing import Literal
import numpy as np
from speech_emotion.features import Block

class Flat(Block):
    kind: Literal["flat"] = "flat"

    @property
    def bins(self) -> int:
        return 1

    def compute(self, spectrum):
        return np.ones((1, spectrum.magnitude.shape[1]), np.float32)
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a made-up distribution of feature blocks on the path, for this test."""

    def install(name: str, points: dict[str, str], **modules: str) -> None:
        monkeypatch.syspath_prepend(write_distribution(tmp_path / name, name, {GROUP: points}, modules))
        plugins.found.cache_clear()

    plugins.found.cache_clear()
    yield install
    plugins.found.cache_clear()


def spec_of(kind: str) -> str:
    return SEED_SPEC.to_json().replace('"kind":"chroma","n_chroma":12,"tuning":0.0', f'"kind":"{kind}"')


def test_a_block_of_another_distribution_is_found_by_its_kind(install: Install) -> None:
    install("acme-flat", {"flat": "acme_flat_good:Flat"}, acme_flat_good=GOOD)
    assert BLOCKS.names() == ("chroma", "flat", "mel", "mfcc", "whisper_log_mel")
    assert (BLOCKS.provider("flat"), BLOCKS.provider("mel")) == ("acme-flat 1.0", OURS)
    spec = FeatureSpec.from_json(spec_of("flat"))
    assert spec.bins == SEED_SPEC.bins - 11
    assert FeatureSpec.from_json(spec.to_json()).fingerprint == spec.fingerprint


def test_a_name_that_two_distributions_register_is_an_error_that_names_both(install: Install) -> None:
    install("acme-mel", {"mel": "acme_flat_good:Flat"})
    with pytest.raises(PluginError, match=r"'mel' is registered twice: by acme-mel 1.0 and by speech-emotion-serving"):
        BLOCKS.names()
    with pytest.raises(FeatureSpecError, match=r"acme-mel 1.0 and by"):
        FeatureSpec.from_json(SEED_SPEC.to_json())


@pytest.mark.parametrize(
    ("value", "text", "message"),
    [
        ("acme_absent:Flat", "", "ModuleNotFoundError: No module named 'acme_absent'"),
        ("acme_broken:Flat", "raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("acme_broken:Flat", "def", "SyntaxError"),
        ("acme_broken:Flat", "", "AttributeError"),
        ("acme_broken:Flat", "Flat = 3", "is not a valid feature block: 3"),
        ("acme_broken:Flat", GOOD.replace('"flat"', '"even"'), "calls itself 'even'"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_its_distribution_and_leaves_the_others(
    install: Install, monkeypatch: pytest.MonkeyPatch, value: str, text: str, message: str
) -> None:
    monkeypatch.delitem(sys.modules, "acme_broken", raising=False)
    install("acme-broken", {"flat": value}, acme_broken=text)
    with pytest.raises(PluginError, match=r"the feature block 'flat' of acme-broken 1.0 .*") as raised:
        BLOCKS.load("flat")
    assert message in str(raised.value)
    with pytest.raises(FeatureSpecError, match=r"not a feature specification here: .* of acme-broken 1.0"):
        FeatureSpec.from_json(spec_of("flat"))
    assert FeatureSpec.from_json(SEED_SPEC.to_json()) == SEED_SPEC
    sys.modules.pop("acme_broken", None)


def test_a_specification_with_a_block_that_is_not_installed_is_refused(install: Install) -> None:
    install("acme-flat", {"flat": "acme_flat_good:Flat"}, acme_flat_good=GOOD)
    with pytest.raises(FeatureSpecError, match="no feature block 'wavelet' is installed: there are chroma, flat, mel"):
        FeatureSpec.from_json(spec_of("wavelet"))


def test_a_block_that_is_not_the_installed_one_makes_no_specification() -> None:
    class Mel(BLOCKS.load("mel")):  # type: ignore[misc]
        pass

    with pytest.raises(ValueError, match="is not the feature block that is installed as 'mel'"):
        FeatureSpec(blocks=(Mel(),))


def test_an_installation_without_entry_points_of_its_own_says_what_to_do(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-flat", {"flat": "acme_flat_good:Flat"}, acme_flat_good=GOOD)
    monkeypatch.setattr(plugins, "OWN", "speech-emotion-of-last-year")
    with pytest.raises(PluginError, match=r"not installed with its entry points: install it again"):
        BLOCKS.names()


def test_names_are_known_without_an_import_of_anything() -> None:
    code = """
import sys
from speech_emotion.plugins import Group
for part in ("networks", "feature_blocks"):
    print(part, *Group(f"speech_emotion.{part}", part, bool, str).names())
assert not {"numpy", "pydantic", "scipy", "training_pipeline", "preprocess_gateway"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "networks ann edge " in done.stdout
