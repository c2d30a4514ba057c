from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ValidationError

from speech_emotion.invalid import first_fault


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("an even number is needed")
    return number


class Pairs(BaseModel):
    sizes: tuple[Annotated[int, AfterValidator(_even)], ...]


def test_a_fault_is_said_in_our_words_alone() -> None:
    with pytest.raises(ValidationError) as caught:
        Pairs.model_validate({"sizes": [2, 3, 5]})
    assert first_fault(caught.value) == (("sizes", 1), "an even number is needed")


def test_a_fault_of_the_whole_has_no_place() -> None:
    with pytest.raises(ValidationError) as caught:
        Pairs.model_validate_json(b"{")
    where, fault = first_fault(caught.value)
    assert (where, "JSON" in fault) == ((), True)
