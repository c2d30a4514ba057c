"""Several files in one form: each gets what it alone would get, an answer or a problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from preprocess_gateway.core.answer import Answer
from preprocess_gateway.http.problems import describe, problem


def answer_each(
    clips: Sequence[bytes], answer: Callable[[bytes], Answer], request_id: str, root: str = ""
) -> list[dict[str, Any]]:
    """The bodies for `clips`, in their order; `root` is that of `problem`.

    Raises the first error where no clip is answered and every error is the service's own: whoever asks again then
    loses nothing, and a service that fails is seen to.
    """
    results, errors, lowest = [], [], 599
    for clip in clips:
        try:
            results.append(answer(clip).to_json(request_id))
        except Exception as error:  # noqa: BLE001 - one file's error must not cost the other files their answers
            errors.append(error)
            status, code, detail = describe(error)
            lowest = min(lowest, status)
            results.append(problem(status, code, detail, request_id, root))
    if len(errors) == len(clips) and lowest >= 500:
        raise errors[0]
    return results
