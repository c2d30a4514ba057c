"""Multinomial logistic regression whose examples may leave classes open; scikit-learn's has no such option."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
MAX_ITER = 1_000
GRADIENT, LOSS = 1e-5, 1e-9
"""The largest part of the gradient, for each unit of weight, and the relative change of the loss, at which a fit ends.
"""


def fit_softmax(x: Floats, shares: Floats, inverse_regularisation: float) -> tuple[Floats, Floats]:
    """Kernel `[values, classes]` and bias `[classes]` of a softmax on `x` `[n, values]`.

    Rows of `shares` `[n, classes]` are those of `network.Fit`: shares of classes whose sum is the example's weight,
    and -1 for an open class, which has no part in the example's softmax. Minimises half the sum of the squares of the
    kernel plus `inverse_regularisation` times the cross-entropies, as scikit-learn's LogisticRegression does.
    """
    values, classes = x.shape[1], shares.shape[1]
    closed = np.where(shares < 0, -np.inf, 0.0)
    wanted = np.maximum(shares, 0)
    weight = wanted.sum(axis=1, keepdims=True)

    def loss(flat: Floats) -> tuple[float, Floats]:
        kernel, bias = flat[:-classes].reshape(values, classes), flat[-classes:]
        logits = x @ kernel + bias + closed
        log_sum = logsumexp(logits, axis=1, keepdims=True)
        entropy = (weight * log_sum).sum() - wanted[wanted > 0] @ logits[wanted > 0]
        error = inverse_regularisation * (weight * np.exp(logits - log_sum) - wanted)
        gradient = np.concatenate([(kernel + x.T @ error).ravel(), error.sum(axis=0)])
        return float(inverse_regularisation * entropy + (kernel**2).sum() / 2), gradient

    options = {"maxiter": MAX_ITER, "ftol": LOSS, "gtol": GRADIENT * inverse_regularisation * float(weight.sum())}
    # One thread: how many there are changes sums, and with them the figures.
    with threadpool_limits(1, user_api="blas"):
        found = minimize(loss, np.zeros((values + 1) * classes), jac=True, method="L-BFGS-B", options=options).x
    return found[:-classes].reshape(values, classes), found[-classes:]
