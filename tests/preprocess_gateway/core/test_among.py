from __future__ import annotations

import numpy as np
import pytest

from preprocess_gateway.core.among import Among
from preprocess_gateway.errors import BadQueryError

KNOWN = ("neutral", "happy", "sad", "angry")


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)


def test_some_emotions_get_what_a_model_of_them_alone_would_answer() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (7, 4))
    among = Among.of(("angry", "happy"), KNOWN)
    assert among.emotions == ("happy", "angry")  # in the model's order, whatever was asked
    np.testing.assert_allclose(among(softmax(logits)), softmax(logits[:, [1, 3]]), rtol=1e-5)
    assert among(softmax(logits)).dtype == np.float32


@pytest.mark.parametrize("asked", [None, KNOWN, KNOWN[::-1]])
def test_all_emotions_are_answered_to_the_last_bit(asked: tuple[str, ...] | None) -> None:
    rows = softmax(np.random.default_rng(0).normal(0, 3, (7, 4)))
    among = Among.of(asked, KNOWN)
    assert among.emotions == KNOWN
    np.testing.assert_array_equal(among(rows), rows)


def test_no_window_and_no_probability_are_no_error() -> None:
    among = Among.of(("neutral", "sad"), KNOWN)
    assert among(np.empty((0, 4), np.float32)).shape == (0, 2)
    rows = np.array([[0, 1, 0, 0], [1e-40, 1, 3e-40, 0]], np.float32)
    np.testing.assert_allclose(among(rows), [[0.5, 0.5], [0.25, 0.75]], rtol=1e-3)


def test_an_emotion_that_the_model_does_not_know_is_named() -> None:
    with pytest.raises(BadQueryError, match="does not tell 'bored' apart; it knows neutral, happy, sad, angry"):
        Among.of(("happy", "bored"), KNOWN)
    with pytest.raises(BadQueryError) as refused:
        Among.of(("x" * 5000, "happy"), KNOWN)
    assert len(str(refused.value)) < 300
