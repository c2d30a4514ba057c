from __future__ import annotations

import numpy as np
import pytest

from training_pipeline.errors import MissingClassesError
from training_pipeline.networks import mlp
from training_pipeline.training.calibrate import softmax


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_the_mlps_dense_layers_compute_what_scikit_learn_does(classes: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(3, 5, (80, 1, 12)).astype(np.float32)
    scaler, classifier = mlp.fit(x, np.arange(80) % classes, classes, seed=0)
    expected = classifier.predict_proba(scaler.transform(x.reshape(80, -1)))
    np.testing.assert_allclose(
        softmax(np.asarray(mlp.to_keras(scaler, classifier, x.shape[1:])(x))), expected, atol=1e-5
    )


def test_one_class_alone_is_always_the_answer() -> None:
    x = np.random.default_rng(0).normal(3, 5, (20, 1, 12)).astype(np.float32)
    logits = np.asarray(mlp.to_keras(*mlp.fit(x, np.zeros(20, np.intp), 1, seed=0), x.shape[1:])(x))
    np.testing.assert_array_equal(softmax(logits), np.ones((20, 1)))


def test_a_class_that_never_occurs_is_an_error() -> None:
    with pytest.raises(MissingClassesError, match="no example of class 2"):
        mlp.fit(np.zeros((4, 1, 12), np.float32), np.array([0, 1, 0, 1]), 3, seed=0)
