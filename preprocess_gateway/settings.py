"""Every setting of the gateway, read from `GATEWAY_*` variables."""

from __future__ import annotations

import math
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    DirectoryPath,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from speech_emotion.audio import DecoderOptions, Limits, QualityLimits
from speech_emotion.channel import Tls, TlsError
from speech_emotion.cpus import cpu_count
from speech_emotion.input_files import MAX_CLIP_BYTES, MAX_RECORDING_BYTES

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
"""A folder of the model store, and a part of a path."""


RECORDING_NICENESS = 10  # how far a decoder of a long recording stands back for all else
MIN_CONNECTIONS = 8
MAX_DEFAULT_WORKERS = 4  # each takes memory, and the model server needs CPUs too
HELD_FOR_A_BODY = 1.25  # a buffer that grows takes up to an eighth more than its content

Origin = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#*\\@]+)$", max_length=300)]
"""What a browser sends as `Origin`: scheme, host and perhaps a port, without a path."""

PATH: Final = r"^(/[._~-]*[A-Za-z0-9][A-Za-z0-9._~-]*)*/?$"
MAX_PATH: Final = 256


def _writable(folder: Path) -> Path:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError("the folder cannot be written to")
    return folder


def base_path_of(text: str) -> str:
    """A path that others are below, without a slash at its end; "" is the root. Raises ValueError for what is none."""
    if len(text) > MAX_PATH or not re.fullmatch(PATH, text):
        raise ValueError(f"{text[:MAX_PATH]!r} is not a path such as /speech")
    return text.removesuffix("/")


class Settings(BaseSettings):
    """Settings with bounds. A name ends in its unit."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_ignore_empty=True, use_attribute_docstrings=True, frozen=True
    )

    host: str = "127.0.0.1"
    """Address that the service and the probes listen on: IPv4, IPv6 (with or without brackets) or a name. `::` means
    every address of both families, or of IPv4 alone on a machine without IPv6."""
    port: int = Field(default=8080, ge=1, le=65_535)
    """Port of the service."""
    probe_port: int = Field(default=9090, ge=1, le=65_535)
    """Port of the probes and metrics. No ingress routes it."""
    workers: int | None = Field(default=None, ge=1, le=64)
    """Number of worker processes. Default: the number of CPUs that the container may use, but no more than 4. Each
    worker computes on one CPU. A limit applies to all workers together, unless its text says otherwise."""
    max_connections: int = Field(default=512, ge=MIN_CONNECTIONS, le=4096)
    """Maximum number of open connections of each worker. Each takes a thread, which a slow upload can occupy."""
    concurrency: int = Field(default=2, ge=1, le=256)
    """Maximum number of predictions that each worker computes at once: while one waits for the model server, another
    uses the CPU."""
    queue: int = Field(default=1, ge=0, le=1024)
    """Number of places that each worker adds to the queue of requests that wait for a prediction to finish. All workers
    share the queue. If it is full, a request is refused immediately, before its body is read."""
    queue_s: float = Field(default=0.5, ge=0, le=60)
    """Maximum number of seconds that a request waits in this queue."""
    read_timeout_s: float = Field(default=20.0, gt=0, le=600)
    """Maximum number of seconds that a client may take to send a request, headers and body together."""
    drain_s: float = Field(default=3.0, ge=0, le=120)
    """Seconds after SIGTERM in which readiness is false while new connections are still accepted."""
    grace_s: int = Field(default=30, ge=1, le=600)
    """Seconds that requests in flight have to finish once no more connections are accepted."""
    model_server: str = "127.0.0.1:8500"
    """gRPC target of the model server: host:port, an IPv6 address in brackets (`[::1]:8500`), or any other target that
    gRPC can resolve."""
    model_server_ca_file: Path | None = None
    """PEM file of the certificates that the model server's certificate is checked against. If it is not set, the
    connection is not encrypted."""
    model_server_client_cert_file: Path | None = None
    """PEM file of the gateway's own certificate, for a model server that requires one."""
    model_server_client_key_file: Path | None = None
    """PEM file of the private key for the gateway's own certificate."""
    model_name: ModelName = "speech_emotion"
    """Name of the model that answers if GATEWAY_MODEL_NAMES is empty."""
    model_names: Annotated[tuple[ModelName, ...], NoDecode] = ()
    """Names of the models that answer, separated by commas. The first answers `/predict`."""
    model_label: str = "stable"
    """Label of the version that answers."""
    canary_label: str = "canary"
    """Label of the canary version. It is fine if no version has it."""
    canary_share: float = Field(default=0.0, ge=0, le=1)
    """Share of clients that the canary answers while there is one. A client always gets the same label."""
    shadow_share: float = Field(default=0.0, ge=0, le=1)
    """Share of answered clips that the other label processes as well, for the metrics only."""
    observer_threads: int = Field(default=1, ge=1, le=64)
    """Number of answered clips that the observers of each worker, such as the comparison with the other label, process
    at once."""
    observer_held_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=64 * 1024**3)
    """Maximum number of bytes of samples and features that all observers together hold in memory. Each worker has an
    equal share of them. A clip that does not fit is not observed."""
    resolve_interval_s: float = Field(default=1.0, ge=0.1, le=60)
    """Seconds between two checks of which version each label points at."""
    deadline_s: float = Field(default=10.0, gt=0, le=300)
    """Maximum number of seconds from the end of the upload to the answer. The model server gets what remains of
    them as its deadline."""
    retry_ratio: float = Field(default=0.1, ge=0, le=1)
    """Maximum number of retried calls to the model server, as a share of all requests."""
    max_batch: int = Field(default=32, ge=1, le=1024)
    """Maximum number of windows in one call to the model server."""
    max_body_bytes: int = Field(default=MAX_CLIP_BYTES, ge=1024, le=1024**3)
    """Maximum size of a request's body."""
    max_held_bytes: int = Field(default=128 * 1024 * 1024, ge=1024, le=64 * 1024**3)
    """Maximum number of bytes that the clips of all requests together take in memory, from their arrival to their
    answer."""
    max_form_parts: int = Field(default=10, ge=1, le=1000)
    """Maximum number of parts in a multipart form, files and other fields together."""
    max_files: int = Field(default=8, ge=1, le=1000)
    """Maximum number of files in a form. Each gets an answer; all of them together have the time of one request."""
    max_form_field_bytes: int = Field(default=500_000, ge=131_072, le=16 * 1024 * 1024)
    """Maximum size of a text field in a form."""
    max_duration_s: float = Field(default=Limits.max_duration_s, gt=0, le=3600)
    """Maximum length of a clip in seconds. Up to 0.1 s more is accepted (0.4 s at 8 kHz), because codecs pad what
    they encode."""
    min_sample_rate: int = Field(default=Limits.min_sample_rate, ge=1, le=384_000)
    """Minimum sample rate in Hz."""
    max_sample_rate: int = Field(default=Limits.max_sample_rate, ge=1, le=768_000)
    """Maximum sample rate in Hz."""
    max_channels: int = Field(default=Limits.max_channels, ge=1, le=64)
    """Maximum number of channels in a clip."""
    max_decoded_samples: int = Field(default=Limits.max_decoded_samples, ge=1_000, le=2**30)
    """Maximum number of samples in a clip, all channels together. Each takes four bytes of memory, whatever the
    size of the file."""
    max_recordings: int = Field(default=4, ge=1, le=256)
    """Maximum number of long recordings that are received and answered at once. One more is refused immediately."""
    max_recording_s: float = Field(default=7_200.0, gt=0, le=24 * 3600)
    """Maximum length of a long recording in seconds, with the same allowance as for a clip."""
    max_recording_samples: int = Field(default=1_440_000_000, ge=1_000, le=2**38)
    """Maximum number of samples in a long recording, all channels together. They are not held in memory, but take
    time. The default is two hours of four channels at 48 kHz."""
    max_recording_bytes: int = Field(default=MAX_RECORDING_BYTES, ge=1024, le=2**40)
    """Maximum size of the body of a request with a long recording. The default holds two hours of stereo at 48 kHz as
    16-bit PCM in WAV."""
    min_recording_rate: int = Field(default=16_384, ge=1, le=2**30)
    """Minimum number of bytes per second at which a client has to send a long recording, once GATEWAY_READ_TIMEOUT_S is
    over. A pause as long as that ends the request as well."""
    spool_bytes: int = Field(default=1024 * 1024, ge=0, le=2**30)
    """Size in bytes above which a long recording is written to a temporary file. A smaller one stays in memory."""
    spool_dir: Annotated[DirectoryPath, AfterValidator(_writable)] | None = None
    """Folder for these temporary files, which have no name once they are open. Default: the system's temporary
    folder."""
    max_spooled_bytes: int = Field(default=3 * 1024**3, ge=1024, le=2**42)
    """Maximum number of bytes that the temporary files of all long recordings together take."""
    recording_block_s: float = Field(default=10.0, gt=0, le=300)
    """Maximum number of seconds to wait until the decoder gives the next second or so of a long recording."""
    decoders: int = Field(default=2, ge=1, le=64)
    """Number of processes that decode clips (all formats except 16-bit PCM in WAV). The workers divide them among
    themselves, and each worker has at least one. Each process takes 50 MB, half of which is shared."""
    decoder_cpu_s: int = Field(default=DecoderOptions.cpu_s, ge=1, le=300)
    """Maximum CPU time in seconds for decoding each minute of a clip or recording, after which the decoder process is
    killed."""
    decoder_memory_bytes: int = Field(default=DecoderOptions.memory_bytes, ge=32 * 1024 * 1024, le=2**34)
    """Maximum memory that a decoder may take for a clip, including two copies of the file."""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Confidence below which an answer is `uncertain`. An answer below the default is more likely wrong than right."""
    silence_dbfs: float = Field(default=QualityLimits.silence_dbfs, ge=-130, le=-10)
    """Level in dBFS (200 to 4000 Hz) below which nothing counts as speech."""
    min_speech_s: float = Field(default=QualityLimits.min_speech_s, ge=0.03, le=10)
    """Minimum number of seconds of sound in a window for it to count as speech."""
    min_level_range_db: float = Field(default=QualityLimits.min_level_range_db, ge=0, le=20)
    """Spread of levels in dB below which a sound of a second or more is steady and does not count as speech. With
    0, any sound counts as speech."""
    very_quiet_dbfs: float = Field(default=QualityLimits.very_quiet_dbfs, ge=-130, le=0)
    """Peak level of the speech in dBFS (200 to 4000 Hz) below which a clip gets the warning `very_quiet`."""
    clipped_ratio: float = Field(default=QualityLimits.clipped_ratio, gt=0, le=1)
    """Share of samples at full scale above which a clip gets the warning `clipped`."""
    log_format: Literal["json", "text"] = "json"
    """Format of the log lines."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Minimum severity of the log lines that are written. INFO includes one line per request."""
    metrics_dir: Path | None = None
    """Folder through which the workers share their metrics. Figures of earlier runs in it are deleted at start.
    Default: a new temporary folder, in shared memory if there is any, because a full disk ends workers whose figures
    lie on it."""
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    """Origins whose pages may call this service, separated by commas, such as https://example.org. * allows any
    origin."""
    base_path: Annotated[str, Field(pattern=PATH, max_length=MAX_PATH), AfterValidator(base_path_of)] = ""
    """Path below which a proxy that keeps it in its requests publishes the service, such as /speech. Everything is
    answered both below it and without it, probes and metrics too."""
    proxies: int = Field(default=0, ge=0, le=10)
    """Number of proxies in front of the gateway that each append to `X-Forwarded-For`. The address of a client is the
    one that the first of them saw. With 0 it is the address that the connection comes from. If
    GATEWAY_TRUSTED_PROXIES is empty, anyone who reaches the gateway can name an address in this way."""
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    """Addresses and networks of proxies, separated by commas, such as 10.42.0.0/16. Only from them are
    `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-Prefix` believed, each as the last of
    GATEWAY_PROXIES (at least one) say."""
    stream_max_open: int = Field(default=32, ge=0, le=4096)
    """Maximum number of open live streams; 0 allows none. Each takes one of `max_connections`, of which 8 and those of
    `max_recordings` are kept for requests."""
    stream_max_open_per_client: int = Field(default=8, ge=1, le=4096)
    """Maximum number of open live streams from one client address, in all workers. Addresses are counted in 1024
    groups, so in rare cases two clients share this limit."""
    stream_max_s: float = Field(default=7200.0, gt=0, le=86_400)
    """Maximum number of seconds that a live stream lasts."""
    stream_start_s: float = Field(default=10.0, gt=0, le=600)
    """Maximum number of seconds until the first message of a live stream."""
    stream_idle_s: float = Field(default=30.0, gt=0, le=3600)
    """Number of seconds within which a live stream must bring at least 0.1 s of sound."""
    stream_ahead_s: float = Field(default=30.0, ge=1, le=3600)
    """Maximum number of seconds of sound by which a live stream is ahead of real time. A client that reconnects sends
    as much at once as it has kept."""
    stream_max_frame_bytes: int = Field(default=1024 * 1024, ge=4096, le=16 * 1024 * 1024)
    """Maximum size of a WebSocket message from a client."""
    stream_max_frames_per_s: int = Field(default=500, ge=10, le=10_000)
    """Maximum number of WebSocket frames per second of a live stream, averaged over its time and `stream_ahead_s`."""
    stream_unsent_bytes: int = Field(default=256 * 1024, ge=16_384, le=16 * 1024 * 1024)
    """Maximum number of bytes of answers that wait for a client to read them."""
    stream_min_stride_s: float = Field(default=0.5, ge=0.05, le=60)
    """Minimum number of seconds between two windows that a client may ask for."""
    stream_smoothing_s: float = Field(default=5.0, ge=0.1, le=600)
    """Time constant in seconds of a stream's smoothed emotion. A window of that age counts 37% as much as a new one."""
    page: bool = True
    """Serve the page for people at `/`."""
    samples: bool = True
    """Serve the recordings that ship at `/samples`. Their licence (CC BY-NC-SA 4.0) excludes commercial use."""
    retry_after_s: int = Field(default=2, ge=1, le=600)
    """Seconds that a 503 asks clients to wait before they retry."""
    window_deadline_s: float = Field(default=10.0, gt=0, le=300)
    """Maximum number of seconds that the windows of a recording or stream wait for the model server. A server that is
    away or full is asked again until then."""
    progress_s: float = Field(default=5.0, ge=0.1, le=60)
    """Seconds without a window of a recording after which a line reports its progress, so that no proxy gives up."""
    send_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Maximum number of seconds that the answer to a recording waits for a client that does not read it."""
    lane_share: float = Field(default=0.25, gt=0, le=1)
    """Share of the time that recordings and streams get while requests to `/predict` are being answered. They get all
    of it otherwise."""
    lane_hold_s: float = Field(default=1.0, ge=0, le=60)
    """Seconds after a request to `/predict` for which recordings and streams still get only this share."""
    lane_batch: int = Field(default=4, ge=1, le=1024)
    """Number of windows of a recording in one call to the model server. While requests to `/predict` are being answered
    it is one."""

    @field_validator("model_names", "cors_origins", "trusted_proxies", mode="before")
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
        if self.max_spooled_bytes < self.max_recording_bytes:
            raise ValueError(
                f"max_spooled_bytes is {self.max_spooled_bytes} and max_recording_bytes is {self.max_recording_bytes}: "
                "a recording of the allowed size would always be refused"
            )
        if self.max_recordings > self.max_connections // 2:
            raise ValueError(
                f"max_recordings is {self.max_recordings} and max_connections is {self.max_connections}: "
                "each recording takes a connection for as long as it lasts, and at least half of them must be left"
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
    def worker_count(self) -> int:
        """Number of worker processes."""
        return self.workers or min(cpu_count(), MAX_DEFAULT_WORKERS)

    @property
    def places(self) -> int:
        """Requests that are computed or wait in all workers."""
        return self.worker_count * (self.concurrency + self.queue)

    @property
    def decoders_per_worker(self) -> int:
        """Processes that decode clips for one worker."""
        return math.ceil(self.decoders / self.worker_count)

    @property
    def stream_places(self) -> int:
        """Live streams at once, so that requests keep connections."""
        return max(0, min(self.stream_max_open, self.max_connections - MIN_CONNECTIONS - self.max_recordings))

    @property
    def audio_limits(self) -> Limits:
        """The bounds that apply to a clip."""
        return Limits(**self._named_as(Limits))

    @property
    def decoder_options(self) -> DecoderOptions:
        """What a decoder process may take for a clip."""
        return DecoderOptions(self.audio_limits, self.decoder_cpu_s, self.decoder_memory_bytes)

    @property
    def recording_limits(self) -> Limits:
        """The bounds that apply to a long recording."""
        return replace(
            self.audio_limits, max_duration_s=self.max_recording_s, max_decoded_samples=self.max_recording_samples
        )

    @property
    def recording_decoder_options(self) -> DecoderOptions:
        """What a decoder process may take for a long recording; short clips come first."""
        return replace(self.decoder_options, limits=self.recording_limits, niceness=RECORDING_NICENESS)

    @property
    def quality_limits(self) -> QualityLimits:
        """The thresholds of speech and of warnings."""
        return QualityLimits(**self._named_as(QualityLimits))

    def _named_as(self, kind: type[Limits] | type[QualityLimits]) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(kind)}
