"""The command line: TensorFlow Serving's own flags, those that are built here.

Knows no TensorFlow, so that `--help` and a mistyped flag answer at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from speech_emotion.cpus import cpu_count

EXIT_CODE = 255  # the real server's, for whatever it cannot start with


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Flags:
    """One field a flag, by the real server's names, defaults and units."""

    port: int = _flag(8500, "TCP port for gRPC; 0: only --grpc_socket_path")
    grpc_socket_path: str = _flag("", "listen on this UNIX socket for gRPC too")
    rest_api_port: int = _flag(0, "TCP port for REST; 0: no REST")
    rest_api_num_threads: int = _flag(4 * cpu_count(), "REST calls answered at once; more wait")
    rest_api_timeout_in_ms: int = _flag(30_000, "milliseconds that a REST client may take to send")
    model_name: str = _flag("default", "name of the one model (without --model_config_file)")
    model_base_path: str = _flag("", "absolute path of its version folders (without --model_config_file)")
    model_config_file: str = _flag("", "text file with a ModelServerConfig: the models, their policies and labels")
    model_config_file_poll_wait_seconds: int = _flag(0, "seconds between looks at that file; 0: only at start")
    file_system_poll_wait_seconds: int = _flag(1, "seconds between looks for versions; 0: once; negative: never")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "let a new label point at a version that is not loaded yet"
    )
    max_num_load_retries: int = _flag(5, "how often a version that fails to load is tried again")
    load_retry_interval_micros: int = _flag(60_000_000, "microseconds between these tries")
    num_load_threads: int = _flag(
        0, "versions that load at once after the start; a failed one that waits counts; 0: one"
    )
    enable_model_warmup: bool = _flag(True, "run a version's warm-up requests before it is available")
    num_request_iterations_for_warmup: int = _flag(0, "how often each warm-up request is run; 0: once")
    saved_model_tags: str = _flag("serve", "comma-separated tags of the meta graph to load")
    grpc_max_threads: int = _flag(
        4 * cpu_count(),
        "gRPC threads: one waits for calls, each of the others works on one; further calls are refused",
    )
    enable_grpc_healthcheck_service: bool = _flag(False, "serve grpc.health.v1.Health")
    monitoring_config_file: str = _flag(
        "", "text file with a MonitoringConfig: REST serves Prometheus' metrics at /monitoring/prometheus/metrics"
    )
    enable_batching: bool = _flag(False, "run requests that arrive together as one batch")
    batching_parameters_file: str = _flag("", "text file with BatchingParameters (with --enable_batching)")
    ssl_config_file: str = _flag("", "text file with an SSLConfig: gRPC is served by TLS; REST is not")
    grpc_channel_arguments: str = _flag("", "comma-separated name=value arguments for the gRPC server")
    tensorflow_session_parallelism: int = _flag(0, "threads within and between operations; 0: one per CPU")
    tensorflow_intra_op_parallelism: int = _flag(0, "threads within an operation; 0: one per CPU")
    tensorflow_inter_op_parallelism: int = _flag(0, "threads between operations; 0: one per CPU")


# Taken and without effect: they tune what this server does not have.
IGNORED = {
    "flush_filesystem_caches": "true",
    "num_unload_threads": "0",
    "remove_unused_fields_from_bundle_metagraph": "true",
    "enforce_session_run_timeout": "true",
}

# The real server's flags that would change answers, but are not built here.
NOT_BUILT = (
    "rest_api_enable_cors_support",
    "enable_per_model_batching_parameters",
    "use_alts_credentials",
    "platform_config_file",
    "per_process_gpu_memory_fraction",
    "prefer_tflite_model",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "enable_signature_method_name_check",
    "enable_serialization_as_tensor_content",
    "enable_profiler",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
    "mixed_precision",
    "skip_initialize_tpu",
    "thread_pool_factory_config_file",
    "tensorflow_session_config_file",
)


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Read the command line. Exits with a sentence and EXIT_CODE on a flag it cannot honour."""
    parser = _Parser(
        prog="python -m model_server",
        description="TensorFlow Serving's API on the local TensorFlow runtime.",
        epilog="Listens on MODEL_SERVER_HOST (default 127.0.0.1). docs/model_server.md lists what is not built.",
        allow_abbrev=False,
    )
    for each in fields(Flags):
        kind = type(each.default)
        parser.add_argument(
            f"--{each.name}",
            type=_boolean if kind is bool else kind,
            default=each.default,
            metavar={bool: "true|false", int: "N", str: "TEXT"}[kind],
            help=f"{each.metadata['help']} (default: {each.default!r})",
            nargs="?" if kind is bool else None,
            const=True if kind is bool else None,
        )
    for name in (*IGNORED, *NOT_BUILT):
        parser.add_argument(f"--{name}", nargs="?", help=argparse.SUPPRESS)
    found = vars(parser.parse_args(arguments))
    given = {argument.removeprefix("--").partition("=")[0] for argument in arguments}
    for name in NOT_BUILT:
        if name in given and found[name] not in ("false", "0"):
            parser.error(f"--{name} is a flag of TensorFlow Serving that is not built in this server")
    flags = Flags(**{each.name: found[each.name] for each in fields(Flags)})
    if problem := _problem(flags):
        parser.error(problem)
    return flags


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_CODE, f"model_server: {message} (see --help)\n")


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _problem(flags: Flags) -> str:
    """What contradicts itself in the flags, or an empty string."""
    if not flags.model_base_path and not flags.model_config_file:
        return "one of --model_base_path and --model_config_file must be set"
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(flags, name) <= 65535:
            return f"--{name}={getattr(flags, name)} is not a port"
    if flags.port and flags.port == flags.rest_api_port:
        return "--rest_api_port cannot be the same as --port"
    if not flags.port and not flags.grpc_socket_path:
        return "--port=0 needs --grpc_socket_path"
    if flags.batching_parameters_file and not flags.enable_batching:
        return "--batching_parameters_file needs --enable_batching"
    if flags.grpc_max_threads < 2:
        return "--grpc_max_threads must be at least 2, because one thread waits for calls"
    for name in ("rest_api_num_threads", "rest_api_timeout_in_ms"):
        if getattr(flags, name) < 1:
            return f"--{name} must be at least 1"
    op_threads = (flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism)
    if min(flags.tensorflow_session_parallelism, *op_threads) > 0:
        return (
            "either set --tensorflow_session_parallelism, or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism; not all of them"
        )
    return ""
