"""Requests are merged and split back exactly: by functions in place of graphs, and batches that only run when full."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_server.batching.merging import Arrays
from model_server.batching.parameters import Parameters
from model_server.batching.queue import Batcher, Queue, Run
from model_server.errors import Code, ServingError

HOUR = 3600 * 10**6


class Graph:
    """Adds one, and keeps the shapes of what it ran on; stops where `gate` is shut."""

    def __init__(self) -> None:
        self.ran: list[tuple[int, ...]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, arrays: Arrays) -> Arrays:
        self.ran.append(arrays[0].shape)
        assert self.gate.wait(60)
        return [array + 1 for array in arrays]


def queue(run: Run, **parameters: Any) -> Queue:
    return Queue(Batcher(Parameters(num_batch_threads=1, **parameters)), ["x:0"], run)


def rows(count: int, first: int = 0, columns: int = 2) -> NDArray[Any]:
    return np.arange(first, first + count * columns, dtype=np.float32).reshape(count, columns)


def together(served: Queue, inputs: Sequence[NDArray[Any]]) -> list[Future[Arrays]]:
    """The outcome of requests sent at the same time, each from a thread of its own."""
    with ThreadPoolExecutor(len(inputs)) as pool:
        return [pool.submit(served.run, [each]) for each in inputs]


def test_each_request_gets_its_own_rows_of_a_full_batch() -> None:
    graph = Graph()
    inputs = [rows(1), rows(3, 100), rows(2, 200), rows(2, 300)]
    answers = together(queue(graph, max_batch_size=8, batch_timeout_micros=HOUR), inputs)
    for sent, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(answer.result()[0], sent + 1)
    assert graph.ran == [(8, 2)]


def test_a_batch_runs_when_its_first_request_has_waited_enough() -> None:
    graph = Graph()
    (answer,) = together(queue(graph, max_batch_size=8, batch_timeout_micros=1000), [rows(3)])
    np.testing.assert_array_equal(answer.result()[0], rows(3) + 1)
    assert graph.ran == [(3, 2)]


def test_strings_and_every_input_are_merged_alike() -> None:
    def both(arrays: Arrays) -> Arrays:
        return [arrays[0] + b"!", arrays[1] * 2]

    served = Queue(Batcher(Parameters(2, HOUR, num_batch_threads=1)), ["a:0", "b:0"], both)
    with ThreadPoolExecutor(2) as pool:
        inputs = [[np.array([text], object), np.array([number])] for text, number in ((b"one", 1), (b"two", 2))]
        answers = [pool.submit(served.run, each) for each in inputs]
    assert [[array.tolist() for array in answer.result()] for answer in answers] == [
        [[b"one!"], [2]],
        [[b"two!"], [4]],
    ]


def test_a_batch_is_filled_up_with_the_last_request_s_first_row() -> None:
    seen: list[Any] = []

    def keep(arrays: Arrays) -> Arrays:
        seen.append(arrays[0].tolist())
        return arrays

    (answer,) = together(queue(keep, max_batch_size=4, allowed_batch_sizes=(4,)), [rows(2)])
    np.testing.assert_array_equal(answer.result()[0], rows(2))
    assert seen == [[[0, 1], [2, 3], [0, 1], [0, 1]]]


def test_different_shapes_fail_every_request_of_the_batch() -> None:
    answers = together(queue(Graph(), max_batch_size=2, batch_timeout_micros=HOUR), [rows(1), rows(1, columns=3)])
    for answer in answers:
        with pytest.raises(ServingError, match="Tensors with name 'x:0' from different tasks have different shapes"):
            answer.result()


def test_with_padding_shapes_are_continued_with_their_own_first_value() -> None:
    served = queue(Graph(), max_batch_size=2, batch_timeout_micros=HOUR, pad_variable_length_inputs=True)
    short, long = together(served, [rows(1, 7), rows(1, 1, columns=4)])
    assert short.result()[0].tolist() == [[8, 9, 8, 8]]
    assert long.result()[0].tolist() == [[2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("other", "message"), [(np.zeros((1, 2, 2), np.float32), "different ranks"), (rows(1, columns=0), "empty tensor")]
)
def test_what_cannot_be_padded_is_refused(other: NDArray[Any], message: str) -> None:
    served = queue(Graph(), max_batch_size=2, batch_timeout_micros=HOUR, pad_variable_length_inputs=True)
    for answer in together(served, [rows(1), other]):
        with pytest.raises(ServingError, match=message):
            answer.result()


def test_a_full_queue_is_unavailable_and_serves_on() -> None:
    graph = Graph()
    served = queue(graph, max_batch_size=2, max_enqueued_batches=1)
    graph.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(served.run, [rows(2)])
        while not graph.ran:
            pass
        waiting = pool.submit(served.run, [rows(2)])
        while not served.batches:
            pass
        with pytest.raises(ServingError) as refused:
            served.run([rows(1)])
        graph.gate.set()
        assert [answer.result()[0].shape for answer in (running, waiting)] == [(2, 2)] * 2
    assert (refused.value.code, refused.value.message) == (
        Code.UNAVAILABLE,
        "The batch scheduling queue to which this task was submitted is full; "
        "currently 1 batches enqueued and max_enqueued_batches is 1",
    )
    assert served.run([rows(1)])[0].tolist() == [[1, 2]]


def test_a_request_above_the_maximum_is_refused() -> None:
    with pytest.raises(ServingError, match="Task size 9 is larger than maximum input batch size 8"):
        queue(Graph(), max_batch_size=8).run([rows(9)])


def test_a_request_without_rows_is_answered_by_itself_at_once() -> None:
    graph = Graph()
    assert queue(graph, batch_timeout_micros=HOUR).run([rows(0)])[0].shape == (0, 2)
    assert graph.ran == [(0, 2)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "must have at least one input tensor"),
        ([np.array(1.0)], "input tensors must have at least one dimension"),
        ([rows(1), rows(2)], "input tensors must have equal 0th-dimension size"),
    ],
)
def test_what_has_no_rows_in_common_is_refused(arrays: Arrays, message: str) -> None:
    with pytest.raises(ServingError, match=message):
        queue(Graph()).run(arrays)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.array(1.0), "Batched output tensor has 0 dimensions"),
        (rows(3), "0th dimension does not equal the sum of the 0th dimension sizes"),
    ],
)
def test_an_output_without_the_batch_s_rows_is_refused(output: NDArray[Any], message: str) -> None:
    with pytest.raises(ServingError, match=message):
        queue(lambda _: [output]).run([rows(2)])


def test_an_error_of_the_graph_reaches_every_request_and_the_thread_stays() -> None:
    failing = [True]

    def run(arrays: Arrays) -> Arrays:
        if failing:
            failing.clear()
            raise RuntimeError("broken")
        return arrays

    served = queue(run, max_batch_size=2, batch_timeout_micros=HOUR)
    for answer in together(served, [rows(1), rows(1)]):
        with pytest.raises(RuntimeError, match="broken"):
            answer.result()
    assert served.run([rows(2)])[0].shape == (2, 2)


def test_a_large_request_is_split_over_batches_and_put_together_again() -> None:
    graph = Graph()
    splitting = {"enable_large_batch_splitting": True, "max_execution_batch_size": 4}
    served = queue(graph, max_batch_size=100, batch_timeout_micros=HOUR, **splitting)
    first, second = rows(3), rows(9, 100)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(served.run, [first])]
        while not served.batches:
            pass
        answers.append(pool.submit(served.run, [second]))
    np.testing.assert_array_equal(answers[0].result()[0], first + 1)
    np.testing.assert_array_equal(answers[1].result()[0], second + 1)
    assert graph.ran == [(4, 2)] * 3


def test_a_split_request_beyond_the_queue_s_room_is_unavailable() -> None:
    splitting = {"enable_large_batch_splitting": True, "max_execution_batch_size": 4, "max_enqueued_batches": 2}
    with pytest.raises(ServingError, match="task size is 9 but scheduling capacity is only 8") as refused:
        queue(Graph(), max_batch_size=100, **splitting).run([rows(9)])
    assert refused.value.code is Code.UNAVAILABLE


def test_a_queue_that_is_let_go_leaves_nothing_behind() -> None:
    batcher = Batcher(Parameters(num_batch_threads=2))
    graph = Graph()
    served = Queue(batcher, ["x:0"], graph)
    served.run([rows(1)])
    gone = weakref.ref(graph)
    del served, graph
    gc.collect()
    assert gone() is None
