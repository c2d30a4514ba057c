"""The service's answers, typed and frozen. Fields that are not known here are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """Which model answered: `label` (stable, canary) named the `version`."""

    name: str
    version: int
    label: str


@dataclass(frozen=True)
class Audio:
    """What was heard: seconds, Hz, channels, container (`WAV`)."""

    duration_s: float
    sample_rate: int
    channels: int
    format: str | None = None


@dataclass(frozen=True)
class Window:
    """A stretch of the clip, in seconds; `emotion`, `confidence` and `probabilities` are None without speech."""

    start_s: float
    end_s: float
    emotion: str | None
    confidence: float | None
    probabilities: Mapping[str, float] | None
    reason: str | None = None


@dataclass(frozen=True)
class Channel:
    """The emotion of one channel, counted from 1; its fields are those of `Answer`."""

    channel: int
    emotion: str | None
    confidence: float | None
    probabilities: Mapping[str, float] | None
    uncertain: bool
    reason: str | None
    warnings: tuple[str, ...]
    timeline: tuple[Window, ...]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Channel:
        """Read one of an answer's channels; raises what `Answer.parse` does."""
        return cls(channel=body["channel"], **verdict(body))


@dataclass(frozen=True)
class Answer:
    """A clip's emotion; None with a `reason` where there is none.

    `reason`: `no_speech`, or `separate_channels` if each channel has an answer of its own, in `channels`.
    `uncertain`: the confidence is under the service's threshold. `warnings`: what makes the recording hard to
    judge. `timeline`, `channels`: empty unless asked for.
    """

    emotion: str | None
    confidence: float | None
    probabilities: Mapping[str, float] | None
    uncertain: bool
    reason: str | None
    warnings: tuple[str, ...]
    timeline: tuple[Window, ...]
    model: Model
    audio: Audio
    request_id: str
    channels: tuple[Channel, ...] = ()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Answer:
        """Read the body of a 200. Raises KeyError, TypeError or ValueError if it is none."""
        return cls(
            **verdict(body),
            model=known(Model, body["model"]),
            audio=known(Audio, body["audio"]),
            request_id=body["request_id"],
            channels=tuple(Channel.parse(channel) for channel in body.get("channels") or ()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `channels` only if there are any."""
        plain = asdict(self)
        return plain if self.channels else {name: plain[name] for name in plain if name != "channels"}


@dataclass(frozen=True)
class ServedVersion:
    """A version that serves: its labels (`stable`), its emotions in output order, how features are made, its card."""

    model: str
    version: int
    labels: tuple[str, ...]
    emotions: tuple[str, ...]
    feature_fingerprint: str
    feature_spec: Mapping[str, Any]
    card: Mapping[str, Any]

    @classmethod
    def parse_all(cls, body: Mapping[str, Any]) -> list[ServedVersion]:
        """Read the body of `/v1/models`. Raises KeyError or TypeError if it is none."""
        return [
            cls(
                model=model["name"],
                version=int(version["version"]),
                labels=tuple(version["labels"]),
                emotions=tuple(version["emotions"]),
                feature_fingerprint=version["feature_fingerprint"],
                feature_spec=version["feature_spec"],
                card=version["card"],
            )
            for model in body["models"]
            for version in model["versions"]
        ]


def verdict(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that an answer, a channel and a recording have in common. Raises KeyError if they are not there."""
    return {
        "emotion": body["emotion"],
        "confidence": body["confidence"],
        "probabilities": body["probabilities"],
        "uncertain": bool(body.get("uncertain", False)),
        "reason": body.get("reason"),
        "warnings": tuple(body.get("warnings", ())),
        "timeline": tuple(known(Window, window) for window in body.get("timeline") or ()),
    }


def known(kind: type[T], body: Mapping[str, Any]) -> T:
    """A dataclass of the members that it knows. Raises TypeError if one is missing."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: value for name, value in body.items() if name in names})
