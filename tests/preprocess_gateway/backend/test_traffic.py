"""Which label answers a client: a share, always the same clients, none without a canary."""

from __future__ import annotations

import pytest

from preprocess_gateway.backend.traffic import Traffic


def test_a_growing_share_keeps_the_clients_that_it_had() -> None:
    keys = [f"client-{number}" for number in range(2000)]
    chosen = {
        share: {key for key in keys if Traffic("stable", "canary", share).choose(key, ("canary",)) == "canary"}
        for share in (0.0, 0.1, 0.3, 1.0)
    }
    assert chosen[0.0] == set()
    assert chosen[0.1] < chosen[0.3] < chosen[1.0] == set(keys)
    assert len(chosen[0.1]) == pytest.approx(200, abs=45)  # three standard deviations
    assert Traffic("stable", "canary", 1.0).choose("me", ()) == "stable"
