"""Models by name, and what one of them is asked: batches, widths, whose version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.served_models import ServedModel, ServedModels
from preprocess_gateway.errors import ModelUnavailableError, UnknownModelError
from preprocess_gateway.settings import Settings
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import SEED_SPEC
from tests.support.served import models

Array = npt.NDArray[np.float32]
STABLE = ServedVersion("stable", 3, Description(SEED_SPEC, ("joy", "sorrow"), {}))
CANARY = ServedVersion("canary", 4, STABLE.description)
CONTEXT = RequestContext(deadline=1e9)


@dataclass
class Echo:
    """Answers each window with its own first value and what is left to 1, in so many columns."""

    width: int = 2
    batches: list[int] = field(default_factory=list)

    def predict(self, features: Array, version: int, context: RequestContext) -> Array:
        assert (version, context) == (3, CONTEXT)
        self.batches.append(len(features))
        first = features[:, 0, 0]
        return np.stack([first, *[1 - first] * (self.width - 1)], axis=1)


@pytest.fixture
def served() -> Iterator[ServedModels]:
    settings = Settings(model_server="127.0.0.1:1", model_names=("one", "two"), max_batch=4, canary_share=1)
    with models(settings) as served:
        yield served


@pytest.fixture
def model(served: ServedModels) -> ServedModel:
    return served.default


@pytest.mark.parametrize(("windows", "batches"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1]), (12, [4, 4, 4])])
def test_windows_are_sent_in_batches_and_answered_in_order(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch, windows: int, batches: list[int]
) -> None:
    monkeypatch.setattr(model, "_client", echo := Echo())
    values = np.linspace(0, 1, windows, dtype=np.float32)
    rows = model.ask(values.reshape(-1, 1, 1), STABLE, CONTEXT)
    assert rows.shape == (windows, 2)
    np.testing.assert_array_equal(rows[:, 0], values)
    assert echo.batches == batches


@pytest.mark.parametrize("width", [1, 3])
def test_an_answer_of_another_width_breaks_the_contract(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(model, "_client", Echo(width))
    with pytest.raises(ContractError, match=f"version 3 answers {width} values, not 2"):
        model.ask(np.zeros((1, 1, 1), np.float32), STABLE, CONTEXT)


def test_versions_are_chosen_by_label_and_by_who_asks(model: ServedModel) -> None:
    with pytest.raises(ModelUnavailableError):
        model.choose("me")
    assert (model.ready, model.served()) == (False, ())
    model.versions._known = {"stable": STABLE}
    assert (model.choose("me"), model.other_than("stable"), model.is_canary(STABLE)) == (STABLE, None, False)
    model.versions._known = {"stable": STABLE, "canary": CANARY}
    assert (model.choose("me"), model.is_canary(CANARY), model.stable()) == (CANARY, True, STABLE)
    assert (model.other_than("stable"), model.other_than("canary")) == (CANARY, STABLE)
    assert model.served() == (STABLE, CANARY)


def test_a_canary_alone_is_not_served(model: ServedModel) -> None:
    model.versions._known = {"canary": CANARY}
    assert (model.ready, model.served()) == (False, ())


def test_models_are_known_by_their_names_and_the_first_is_the_default(served: ServedModels) -> None:
    assert [model.name for model in served] == ["one", "two"]
    assert served.default is served.get("one")
    with pytest.raises(UnknownModelError, match=r"no model 'three' here\. There are one, two"):
        served.get("three")
