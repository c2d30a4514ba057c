"""What is wrapped around the steps of a clip when a version does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from preprocess_gateway.backend.connection import VersionNotFoundError
from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, OverloadedError
from preprocess_gateway.telemetry.failures import log_failure
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import ContractError

T = TypeVar("T")
Steps = Callable[[ServedVersion, RequestContext], T]


def asked_again(steps: Steps[T], model: ServedModel) -> Steps[T]:
    """`steps`, once more with what the label means now if the version is gone.

    Replicas of the model server see a change at different moments.
    """

    def attempt(version: ServedVersion, context: RequestContext) -> T:
        try:
            return steps(version, context)
        except VersionNotFoundError:
            return steps(model.versions.resolve(version.label, context.left_s()), context)

    return attempt


def with_fallback(steps: Steps[T], model: ServedModel, metrics: Metrics) -> Steps[T]:
    """`steps`, with the stable version if a canary fails or takes more than half of the time that is left.

    A canary that fails is the operator's to see, not the client's. One that is full or late may be so because the model
    server is: then stable is asked in its place only within the budget of retries, as it would have twice the load.
    """

    def attempt(version: ServedVersion, context: RequestContext) -> T:
        if not model.is_canary(version):
            return steps(version, context)
        try:
            return steps(version, context.half())
        except (ContractError, DeadlineError, ModelUnavailableError, OverloadedError) as error:
            log_failure(f"version {version.version} as {version.label} failed", error)
            if isinstance(error, DeadlineError | OverloadedError) and not model.spend_retry():
                raise
            metrics.canary_fallbacks.labels(model.name).inc()
            return steps(model.stable(), context)

    return attempt
