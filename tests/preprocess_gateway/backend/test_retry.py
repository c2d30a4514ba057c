"""The budget of retries: a share of all requests, and a burst for a quiet gateway."""

from __future__ import annotations

from preprocess_gateway.backend.retry import BURST, RetryBudget


def test_retries_are_a_tenth_of_all_requests_once_the_burst_is_spent() -> None:
    budget = RetryBudget(0.1)
    while budget.spend():
        pass
    allowed = 0
    for _ in range(200):
        budget.earn()
        allowed += budget.spend()
    assert 18 <= allowed <= 20
    for _ in range(1000):
        budget.earn()
    assert [budget.spend() for _ in range(int(BURST) + 1)] == [True] * int(BURST) + [False]
