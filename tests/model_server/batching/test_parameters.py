"""BatchingParameters as text: the real server's defaults, and its words for what contradicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_server.batching.parameters import Parameters, read_parameters
from model_server.errors import ServingError


def read(folder: Path, text: str) -> Parameters:
    file = folder / "batching.config"
    file.write_text(text)
    return read_parameters(file)


def test_every_parameter_of_the_real_server_is_read(tmp_path: Path) -> None:
    text = """
        max_batch_size { value: 8 }  batch_timeout_micros { value: 2000 }  max_enqueued_batches { value: 3 }
        num_batch_threads { value: 2 }  thread_pool_name { value: "pool" }
        allowed_batch_sizes: 4  allowed_batch_sizes: 8  pad_variable_length_inputs: true
        enable_large_batch_splitting { value: true }  max_execution_batch_size { value: 8 }
    """
    assert read(tmp_path, text) == Parameters(8, 2000, 3, 2, (4, 8), True, True, 8)


def test_an_empty_file_has_the_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    assert (found.max_batch_size, found.batch_timeout_micros, found.max_enqueued_batches) == (1000, 0, 10)
    assert found.largest_batch == 1000


def test_no_room_for_batches_means_room_for_one(tmp_path: Path) -> None:
    assert read(tmp_path, "max_enqueued_batches { value: 0 }").max_enqueued_batches == 1


@pytest.mark.parametrize(("size", "filled_up"), [(1, 2), (2, 2), (3, 8), (8, 8)])
def test_a_batch_is_filled_up_to_the_next_allowed_size(size: int, filled_up: int) -> None:
    assert Parameters(max_batch_size=8, allowed_batch_sizes=(2, 8)).filled_up(size) == filled_up


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 8", "Invalid protobuf file"),
        ("max_batch_size { value: 0 }", "input_batch_size_limit must be positive; was 0"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        ("max_enqueued_batches { value: -1 }", "max_enqueued_batches must be positive; was -1"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 2 allowed_batch_sizes: 8",
            "allowed_batch_sizes entries must be monotonically increasing",
        ),
        (
            "max_batch_size { value: 4 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 8 }",
            "input_batch_size_limit must be greater than or equal to max_execution_batch_size",
        ),
    ],
)
def test_what_no_model_can_be_served_with_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ServingError, match=message):
        read(tmp_path, text)
