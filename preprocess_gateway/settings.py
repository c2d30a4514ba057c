"""Every setting of the gateway, read from `GATEWAY_*` variables."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from speech_emotion.audio import Limits, QualityLimits


class Settings(BaseSettings):
    """Settings with bounds; a unit stands at the end of a name."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", use_attribute_docstrings=True, frozen=True)

    host: str = "127.0.0.1"
    """Address that the service and the probes listen on."""
    port: int = Field(default=8080, ge=1, le=65_535)
    """Port of the service."""
    probe_port: int = Field(default=9090, ge=1, le=65_535)
    """Port of probes and metrics; never routed by an ingress."""
    threads: int = Field(default=8, ge=1, le=256)
    """Requests that the worker answers at once."""
    drain_s: float = Field(default=3.0, ge=0, le=120)
    """Seconds between readiness going false and the listener closing, on SIGTERM."""
    grace_s: int = Field(default=30, ge=1, le=600)
    """Seconds that requests in flight may take to finish after that."""
    model_server: str = "127.0.0.1:8500"
    """gRPC target of the model server: host:port, or any target that gRPC resolves."""
    model_name: str = "speech_emotion"
    """Model asked for."""
    model_label: str = "stable"
    """Version label asked for."""
    resolve_interval_s: float = Field(default=1.0, ge=0.1, le=60)
    """Seconds between resolutions of the label."""
    deadline_s: float = Field(default=10.0, gt=0, le=300)
    """Seconds that a request may take; what is left of them goes to the model server."""
    max_batch: int = Field(default=32, ge=1, le=1024)
    """Windows sent to the model server at once."""
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, le=1024**3)
    """Size of a request's body."""
    max_duration_s: float = Field(default=60.0, gt=0, le=3600)
    """Length of a clip."""
    min_sample_rate: int = Field(default=4_000, ge=1, le=384_000)
    """Lowest sample rate in Hz."""
    max_sample_rate: int = Field(default=192_000, ge=1, le=768_000)
    """Highest sample rate in Hz."""
    max_channels: int = Field(default=8, ge=1, le=64)
    """Channels of a clip."""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Confidence under which an answer is `uncertain`; under the default it is more likely wrong than right."""
    silence_dbfs: float = Field(default=-70.0, ge=-130, le=-10)
    """Level (200 to 4000 Hz) in dBFS under which nothing counts as speech."""
    min_speech_s: float = Field(default=0.2, ge=0.03, le=10)
    """Seconds of sound that speech takes at least, in a window."""
    min_level_range_db: float = Field(default=2.0, ge=0, le=20)
    """Spread of levels under which a second or more is a steady sound and no speech; 0 takes any sound for speech."""
    very_quiet_dbfs: float = Field(default=-55.0, ge=-130, le=0)
    """Loudest level (200 to 4000 Hz) in dBFS under which a clip gets the warning `very_quiet`."""
    clipped_ratio: float = Field(default=0.001, gt=0, le=1)
    """Share of samples at full scale above which a clip gets the warning `clipped`."""
    retry_after_s: int = Field(default=2, ge=1, le=600)
    """What a 503 tells clients to wait."""

    @property
    def audio_limits(self) -> Limits:
        """The bounds that apply to a clip."""
        return Limits(self.max_duration_s, self.min_sample_rate, self.max_sample_rate, self.max_channels)

    @property
    def quality_limits(self) -> QualityLimits:
        """The thresholds of speech and of warnings."""
        return QualityLimits(
            self.silence_dbfs, self.min_speech_s, self.min_level_range_db, self.very_quiet_dbfs, self.clipped_ratio
        )
