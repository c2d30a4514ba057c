"""Every setting of the gateway, read from `GATEWAY_*` variables."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from speech_emotion.audio import DecoderOptions, Limits, QualityLimits
from speech_emotion.channel import Tls, TlsError
from speech_emotion.input_files import MAX_CLIP_BYTES

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
"""A folder of the model store, and a part of a path."""


HELD_FOR_A_BODY = 1.25  # a buffer that grows takes up to an eighth more than its content

Origin = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#*\\@]+)$", max_length=300)]
"""What a browser sends as `Origin`: scheme, host and perhaps a port, without a path."""


class Settings(BaseSettings):
    """Settings with bounds; a unit stands at the end of a name."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", use_attribute_docstrings=True, frozen=True)

    host: str = "127.0.0.1"
    """Address that the service and the probes listen on."""
    port: int = Field(default=8080, ge=1, le=65_535)
    """Port of the service."""
    probe_port: int = Field(default=9090, ge=1, le=65_535)
    """Port of probes and metrics; never routed by an ingress."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes; limits on what happens at once count for each. Replicas bring scale more evenly."""
    max_connections: int = Field(default=512, ge=8, le=4096)
    """Connections that are read or answered at once; each has a thread, which a slow upload may hold."""
    concurrency: int = Field(default=2, ge=1, le=256)
    """Predictions that are computed at once; about one for each core."""
    queue: int = Field(default=1, ge=0, le=1024)
    """Requests that may wait for one of these; one more is refused at once."""
    queue_s: float = Field(default=0.5, ge=0, le=60)
    """Seconds that a request may wait for it."""
    read_timeout_s: float = Field(default=20.0, gt=0, le=600)
    """Seconds that a client may take to send a request, headers and body."""
    drain_s: float = Field(default=3.0, ge=0, le=120)
    """Seconds between readiness going false and the listener closing, on SIGTERM."""
    grace_s: int = Field(default=30, ge=1, le=600)
    """Seconds that requests in flight may take to finish after that."""
    model_server: str = "127.0.0.1:8500"
    """gRPC target of the model server: host:port, or any target that gRPC resolves."""
    model_server_ca_file: Path | None = None
    """Certificates (PEM) that the model server's is checked against; without it the connection is plain."""
    model_server_client_cert_file: Path | None = None
    """The gateway's own certificate (PEM), where the model server asks for one."""
    model_server_client_key_file: Path | None = None
    """Key (PEM) of that certificate."""
    model_name: str = "speech_emotion"
    """Model asked for, where GATEWAY_MODEL_NAMES names none."""
    model_names: Annotated[tuple[ModelName, ...], NoDecode] = ()
    """Models of the store that answer, separated by commas; `/predict` asks the first."""
    model_label: str = "stable"
    """Version label asked for."""
    canary_label: str = "canary"
    """Version label of the canary; no version needs to have it."""
    canary_share: float = Field(default=0.0, ge=0, le=1)
    """Share of clients that the canary answers while there is one; a client always gets the same label."""
    shadow_share: float = Field(default=0.0, ge=0, le=1)
    """Share of answered clips that the other label hears too, for the metrics only."""
    observer_threads: int = Field(default=1, ge=1, le=64)
    """Answered clips that observers, such as the comparison with the other label, work on at once."""
    observer_held_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=64 * 1024**3)
    """Bytes of samples and features that observers hold in memory together; a clip beyond them is not observed."""
    resolve_interval_s: float = Field(default=1.0, ge=0.1, le=60)
    """Seconds between resolutions of the labels."""
    deadline_s: float = Field(default=10.0, gt=0, le=300)
    """Seconds that an answer may take once the request is read; what is left of them goes to the model server."""
    retry_ratio: float = Field(default=0.1, ge=0, le=1)
    """Retries of unanswered calls to the model server, as a share of all requests."""
    max_batch: int = Field(default=32, ge=1, le=1024)
    """Windows sent to the model server at once."""
    max_body_bytes: int = Field(default=MAX_CLIP_BYTES, ge=1024, le=1024**3)
    """Size of a request's body."""
    max_held_bytes: int = Field(default=128 * 1024 * 1024, ge=1024, le=64 * 1024**3)
    """Bytes that the clips of all requests take in memory together, from their arrival to their answer."""
    max_form_parts: int = Field(default=10, ge=1, le=1000)
    """Parts of a multipart form, files and other fields together."""
    max_files: int = Field(default=8, ge=1, le=1000)
    """Files in a form, each of which is answered; all of them together have the time of one request."""
    max_form_field_bytes: int = Field(default=500_000, ge=131_072, le=16 * 1024 * 1024)
    """Size of a text field of a form."""
    max_duration_s: float = Field(default=Limits.max_duration_s, gt=0, le=3600)
    """Length of a clip in seconds; 0.1 s more is taken (at 8 kHz up to 0.4 s), because codecs pad what they encode."""
    min_sample_rate: int = Field(default=Limits.min_sample_rate, ge=1, le=384_000)
    """Lowest sample rate in Hz."""
    max_sample_rate: int = Field(default=Limits.max_sample_rate, ge=1, le=768_000)
    """Highest sample rate in Hz."""
    max_channels: int = Field(default=Limits.max_channels, ge=1, le=64)
    """Channels of a clip."""
    max_decoded_samples: int = Field(default=Limits.max_decoded_samples, ge=1_000, le=2**30)
    """Samples of a clip in all its channels together: four bytes of memory each, whatever the file's size."""
    decoders: int = Field(default=2, ge=1, le=64)
    """Processes that decode clips (all but 16-bit PCM in WAV); 50 MB each, half of them shared."""
    decoder_cpu_s: int = Field(default=DecoderOptions.cpu_s, ge=1, le=300)
    """CPU seconds that decoding a clip may take before its process is ended."""
    decoder_memory_bytes: int = Field(default=DecoderOptions.memory_bytes, ge=32 * 1024 * 1024, le=2**34)
    """Memory that a decoder may take for a clip, the clip's own bytes twice included."""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Confidence under which an answer is `uncertain`; under the default it is more likely wrong than right."""
    silence_dbfs: float = Field(default=QualityLimits.silence_dbfs, ge=-130, le=-10)
    """Level (200 to 4000 Hz) in dBFS under which nothing counts as speech."""
    min_speech_s: float = Field(default=QualityLimits.min_speech_s, ge=0.03, le=10)
    """Seconds of sound that speech takes at least, in a window."""
    min_level_range_db: float = Field(default=QualityLimits.min_level_range_db, ge=0, le=20)
    """Spread of levels under which a second or more is a steady sound and no speech; 0 takes any sound for speech."""
    very_quiet_dbfs: float = Field(default=QualityLimits.very_quiet_dbfs, ge=-130, le=0)
    """Loudest level of the speech (200 to 4000 Hz) in dBFS under which a clip gets the warning `very_quiet`."""
    clipped_ratio: float = Field(default=QualityLimits.clipped_ratio, gt=0, le=1)
    """Share of samples at full scale above which a clip gets the warning `clipped`."""
    log_format: Literal["json", "text"] = "json"
    """How log lines look."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe lines that are written; INFO has one for each request."""
    metrics_dir: Path | None = None
    """Folder through which workers share their metrics, emptied at start; default: a new temporary one."""
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    """Origins whose pages may ask this service, separated by commas, such as https://example.org; * means any."""
    page: bool = True
    """Whether `/` answers with the page for people."""
    retry_after_s: int = Field(default=2, ge=1, le=600)
    """What a 503 tells clients to wait."""

    @field_validator("model_names", "cors_origins", mode="before")
    @classmethod
    def _split(cls, names: object) -> object:
        return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names

    @model_validator(mode="after")
    def _check_certificates(self) -> Self:
        files = {
            "model_server_ca_file": self.model_server_ca_file,
            "model_server_client_cert_file": self.model_server_client_cert_file,
            "model_server_client_key_file": self.model_server_client_key_file,
        }
        try:
            Tls.of(*files.values())
        except TlsError as error:
            raise ValueError(f"{', '.join(files)}: {error}") from error
        return self

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if self.min_sample_rate > self.max_sample_rate:
            raise ValueError(
                f"min_sample_rate is {self.min_sample_rate} and max_sample_rate is {self.max_sample_rate}: "
                "no clip is within both"
            )
        if self.max_held_bytes < HELD_FOR_A_BODY * self.max_body_bytes:
            raise ValueError(
                f"max_held_bytes is {self.max_held_bytes} and max_body_bytes is {self.max_body_bytes}: a body of the "
                f"allowed size would be refused, as it may take {HELD_FOR_A_BODY:g} times as much while it arrives"
            )
        if self.port == self.probe_port:
            raise ValueError(f"port and probe_port are both {self.port}")
        if self.canary_label == self.model_label and self.canary_share + self.shadow_share > 0:
            raise ValueError(f"model_label and canary_label are both {self.model_label!r}: there is nothing to compare")
        return self

    @model_validator(mode="after")
    def _check_models(self) -> Self:
        if len(set(self.model_names)) < len(self.model_names):
            raise ValueError("model_names holds a name more than once")
        if self.model_names and "model_name" in self.model_fields_set and self.model_name != self.model_names[0]:
            raise ValueError(
                f"model_name is {self.model_name} and model_names begins with {self.model_names[0]}: set one of them"
            )
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that answer; the first is the default."""
        return self.model_names or (self.model_name,)

    @property
    def audio_limits(self) -> Limits:
        """The bounds that apply to a clip."""
        return Limits(**self._named_as(Limits))

    @property
    def decoder_options(self) -> DecoderOptions:
        """What a decoder process may take for a clip."""
        return DecoderOptions(self.audio_limits, self.decoder_cpu_s, self.decoder_memory_bytes)

    @property
    def quality_limits(self) -> QualityLimits:
        """The thresholds of speech and of warnings."""
        return QualityLimits(**self._named_as(QualityLimits))

    def _named_as(self, kind: type[Limits] | type[QualityLimits]) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(kind)}
