"""What `--batching_parameters_file` holds: the BatchingParameters of the real server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.errors import invalid_argument
from model_server.text_files import BATCHING_PARAMETERS, read_text
from speech_emotion.cpus import cpu_count


@dataclass(frozen=True)
class Parameters:
    """The BatchingParameters, with the defaults of the real server."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = cpu_count()
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0
    """Largest batch that runs, if requests are split; 0 stands for `max_batch_size`."""

    @property
    def largest_batch(self) -> int:
        """Rows of the largest batch that runs."""
        return (self.enable_large_batch_splitting and self.max_execution_batch_size) or self.max_batch_size

    def filled_up(self, size: int) -> int:
        """The rows with which a batch of `size` rows runs."""
        return min((allowed for allowed in self.allowed_batch_sizes if allowed >= size), default=size)

    def check(self) -> None:
        """Raise ServingError if no model could be served with these parameters."""
        if self.num_batch_threads < 1:
            raise invalid_argument(f"num_batch_threads must be positive; was {self.num_batch_threads}")
        if self.max_batch_size < 1:
            raise invalid_argument(f"input_batch_size_limit must be positive; was {self.max_batch_size}")
        if self.batch_timeout_micros < 0:
            raise invalid_argument(f"batch_timeout_micros must be non-negative; was {self.batch_timeout_micros}")
        if self.max_enqueued_batches < 1:
            raise invalid_argument(f"max_enqueued_batches must be positive; was {self.max_enqueued_batches}")
        if self.largest_batch > self.max_batch_size:
            raise invalid_argument(
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
                "max_execution_batch_size."
            )
        if self.allowed_batch_sizes and self.allowed_batch_sizes[-1] != self.max_batch_size:
            raise invalid_argument(
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{self.allowed_batch_sizes[-1]}; expected {self.max_batch_size}"
            )
        if list(self.allowed_batch_sizes) != sorted(set(self.allowed_batch_sizes)):
            raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")


def read_parameters(path: Path) -> Parameters:
    """The BatchingParameters in the file `path`. Raises ServingError if they are no such text or contradict."""
    found = read_text(path, BATCHING_PARAMETERS)
    values: dict[str, Any] = {
        name.name: getattr(value, "value", value)
        for name, value in found.ListFields()
        if name.name != "thread_pool_name"
    }
    if values.get("max_enqueued_batches") == 0 and not values.get("enable_large_batch_splitting"):
        values["max_enqueued_batches"] = 1  # as there
    values["allowed_batch_sizes"] = tuple(found.allowed_batch_sizes)
    parameters = Parameters(**values)
    parameters.check()
    return parameters
