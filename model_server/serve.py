"""Puts the parts together: loader, watchers, core and gRPC, in the order in which the real server starts."""

from __future__ import annotations

import ctypes
import logging
import re
from pathlib import Path

from model_server.batching.parameters import Parameters, read_parameters
from model_server.batching.queue import Batcher
from model_server.config import single_model_config
from model_server.core import ServerCore
from model_server.errors import ServingError
from model_server.flags import EXIT_CODE, Flags
from model_server.freeing import Freeing
from model_server.loader import Loader
from model_server.monitoring import prometheus_path
from model_server.rest.app import RestServer
from model_server.rpc.credentials import read_credentials
from model_server.rpc.server import start_grpc_server
from model_server.servable import Servable, SessionOptions
from model_server.warmup import warm_up
from model_server.watchers import BasePathWatcher, ConfigFileWatcher, read_model_config
from speech_emotion.cpus import cpu_count
from speech_emotion.listening import host_port

_log = logging.getLogger(__name__)


def serve(flags: Flags, host: str) -> int:
    """Load the models, then listen, until a signal ends the process; returns only if it cannot start."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        core = build_core(flags)
        credentials = read_credentials(Path(flags.ssl_config_file)) if flags.ssl_config_file else None
        metrics_path = prometheus_path(Path(flags.monitoring_config_file)) if flags.monitoring_config_file else ""
        config_file = Path(flags.model_config_file) if flags.model_config_file else None
        config = (
            read_model_config(config_file)
            if config_file
            else single_model_config(flags.model_name, flags.model_base_path)
        )
        core.start(config)
    except ServingError as error:
        _log.critical("Failed to start server. Error: %s", error)
        return EXIT_CODE
    if config_file:
        ConfigFileWatcher(config_file, lambda new: _reload(core, new), flags.model_config_file_poll_wait_seconds)
    addresses = [host_port(host, flags.port)] if flags.port else []
    if flags.grpc_socket_path:
        addresses.append(f"unix:{flags.grpc_socket_path}")
    try:
        server = start_grpc_server(
            core,
            addresses,
            flags.grpc_max_threads,
            credentials,
            _channel_arguments(flags),
            with_health=flags.enable_grpc_healthcheck_service,
        )
        if flags.rest_api_port:
            threads, timeout_s = flags.rest_api_num_threads, flags.rest_api_timeout_in_ms / 1000
            RestServer(core, host, flags.rest_api_port, threads, timeout_s, metrics_path).start()
            _log.info("serving REST at %s", host_port(host, flags.rest_api_port))
    except OSError as error:
        _log.critical("Failed to start server: %s; set another --port or --rest_api_port", error)
        return EXIT_CODE
    _log.info("serving gRPC at %s", " and ".join(addresses))
    server.wait_for_termination()
    return 0


def build_core(flags: Flags) -> ServerCore:
    """The core with its loader and base path watcher, without a configuration yet. Raises ServingError."""
    session_threads = flags.tensorflow_session_parallelism or cpu_count()
    options = SessionOptions(
        tags=tuple(flags.saved_model_tags.split(",")),
        intra_op_threads=flags.tensorflow_intra_op_parallelism or session_threads,
        inter_op_threads=flags.tensorflow_inter_op_parallelism or session_threads,
    )

    file = flags.batching_parameters_file
    parameters = read_parameters(Path(file)) if file else Parameters()
    batcher = Batcher(parameters) if flags.enable_batching else None

    freeing = Freeing()

    def load(name: str, version: int, path: Path) -> Servable:
        servable = Servable(name, version, path, options, batcher)
        freeing.watch(servable)
        if flags.enable_model_warmup:
            warm_up(servable, path, max(1, flags.num_request_iterations_for_warmup))
        _release_memory()
        return servable

    loader = Loader(
        load,
        max_retries=flags.max_num_load_retries,
        retry_interval_s=flags.load_retry_interval_micros / 1e6,
        load_threads=flags.num_load_threads,
    )
    watcher = BasePathWatcher(loader.want, flags.file_system_poll_wait_seconds)
    return ServerCore(
        loader,
        watcher,
        allow_labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
    )


def _release_memory() -> None:
    """Give back to the system what loading has freed (220 of 940 MB for the shipped models); only glibc can."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _reload(core: ServerCore, config: object) -> None:
    core.reload(config)


def _channel_arguments(flags: Flags) -> tuple[tuple[str, int | str], ...]:
    pairs = (argument.partition("=") for argument in flags.grpc_channel_arguments.split(",") if argument)
    return tuple((name, int(value) if re.fullmatch("-?[0-9]{1,18}", value) else value) for name, _, value in pairs)
