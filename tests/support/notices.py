"""TensorFlow's notices, which no command shows."""

from __future__ import annotations

import re

NOTICES = re.compile(
    r"oneDNN|[Cc]uda|cuInit|\babsl\b|absl::|Assets written|cpu_feature_guard|To enable the|^[IW]\d{4} \d",
    re.M,
)


def assert_no_notices(*outputs: str) -> None:
    """Fail with the first notice in what a command printed."""
    for output in outputs:
        found = NOTICES.search(output)
        assert found is None, output[max(0, found.start() - 200) : found.end() + 200]
