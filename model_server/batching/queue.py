"""The batches of each signature, and the threads that run them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from model_server import monitoring
from model_server.batching.merging import Arrays, merged, pieces, rows
from model_server.batching.parameters import Parameters
from model_server.errors import Code, ServingError, failed_precondition, invalid_argument

Run = Callable[[Arrays], Arrays]


@dataclass
class _Part:
    """A request, or a part of one that is split."""

    arrays: Arrays
    size: int
    enqueued: float = field(default_factory=time.monotonic)
    result: Future[Arrays] = field(default_factory=Future)


@dataclass
class _Batch:
    parts: list[_Part] = field(default_factory=list)
    opened: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


class Batcher:
    """The threads that run the batches of every signature, each signature in turn."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._changed = threading.Condition()
        # Those with batches only: a model that is let go leaves nothing here.
        self._waiting: deque[Queue] = deque()
        for number in range(parameters.num_batch_threads):
            threading.Thread(target=self._work, name=f"batches-{number}", daemon=True).start()

    def add(self, queue: Queue, arrays: Arrays, size: int) -> list[_Part]:
        """Put a request into the batches of `queue`. Raises ServingError if it is too large or the queue is full."""
        with self._changed:
            parts = queue.add(arrays, size)
            if queue not in self._waiting:
                self._waiting.append(queue)
            self._changed.notify()
        return parts

    def _work(self) -> None:
        while True:
            self._run_next()

    def _run_next(self) -> None:
        with self._changed:
            while (found := self._next(time.monotonic())) is None:
                self._changed.wait(self._pause())
            if self._waiting:
                self._changed.notify()  # another thread looks after the rest
        queue, batch = found
        queue.process(batch)

    def _next(self, now: float) -> tuple[Queue, _Batch] | None:
        for _ in range(len(self._waiting)):
            queue = self._waiting.popleft()
            batch = queue.batches.popleft() if queue.due() <= now else None
            if queue.batches:
                self._waiting.append(queue)
            if batch:
                return queue, batch
        return None

    def _pause(self) -> float | None:
        """Seconds until the next batch is due, or None if none is waiting."""
        return max(0.0, min(queue.due() for queue in self._waiting) - time.monotonic()) if self._waiting else None


class Queue:
    """The batches of one signature: the last one is open, those before it are full."""

    def __init__(self, batcher: Batcher, names: Sequence[str], run: Run) -> None:
        self.batches: deque[_Batch] = deque()
        self._batcher = batcher
        self._parameters = batcher.parameters
        self._names = names
        self._run = run

    def run(self, arrays: Arrays) -> Arrays:
        """The outputs for the inputs `arrays`, run with those of other requests. Raises ServingError."""
        size = rows(arrays)
        for _ in arrays:
            monitoring.INPUT_BATCH_SIZE.observe(size)
        if size == 0:
            # In the real server it hangs: a batch without rows is never due.
            return self._run(arrays)
        results = [part.result.result() for part in self._batcher.add(self, arrays, size)]
        return results[0] if len(results) == 1 else [np.concatenate(parts) for parts in zip(*results, strict=True)]

    def due(self) -> float:
        """When the first batch may run (monotonic): at once if it is full, or when its first request waited enough."""
        first, p = self.batches[0], self._parameters
        full = len(self.batches) > 1 or first.size >= p.largest_batch
        return first.opened if full else first.opened + p.batch_timeout_micros / 1e6

    def add(self, arrays: Arrays, size: int) -> list[_Part]:
        """Put a request into the open batch and new ones. The batcher's lock is held. Raises ServingError."""
        limit = self._parameters.largest_batch
        parts = [_Part(piece, len(piece[0])) for piece in pieces(arrays, self._sizes(size))]
        for part in parts:
            if not self.batches or self.batches[-1].size + part.size > limit:
                self.batches.append(_Batch())
            self.batches[-1].parts.append(part)
        return parts

    def _sizes(self, size: int) -> list[int]:
        """The parts into which a request of `size` rows is split: one, if splitting is off or it fits."""
        p, count = self._parameters, len(self.batches)
        if size > p.max_batch_size:
            raise invalid_argument(f"Task size {size} is larger than maximum input batch size {p.max_batch_size}")
        limit, open_size = p.largest_batch, self.batches[-1].size if self.batches else 0
        room = limit - open_size
        if not p.enable_large_batch_splitting:
            if size > room and count >= p.max_enqueued_batches:
                raise _full(f"currently {count} batches enqueued and max_enqueued_batches is {p.max_enqueued_batches}")
            return [size]
        count = max(1, count)
        capacity = (p.max_enqueued_batches - count) * limit + room
        if size > capacity:
            raise _full(
                f"task size is {size} but scheduling capacity is only {capacity} (num_enqueued_batches={count}, "
                f"max_enqueued_batches={p.max_enqueued_batches}, open_batch_size={open_size}, "
                f"max_execution_batch_size={limit})"
            )
        first = min(size, room)
        sizes = [first, *[limit] * ((size - first) // limit), (size - first) % limit]
        return [each for each in sizes if each]

    def process(self, batch: _Batch) -> None:
        """Run a batch; each of its requests gets its own rows, or its own copy of the error."""
        for part in batch.parts:
            waited = monitoring.microseconds_since(part.enqueued)
            monitoring.QUEUING_LATENCY.labels("").observe(waited)
        try:
            results = self._results(batch)
        except ServingError as error:
            for part in batch.parts:
                part.result.set_exception(ServingError(error.code, error.message))
        except Exception as error:  # noqa: BLE001 - the callers report it, and the thread stays
            for part in batch.parts:
                part.result.set_exception(error)
        else:
            for part, result in zip(batch.parts, results, strict=True):
                part.result.set_result(result)

    def _results(self, batch: _Batch) -> list[Arrays]:
        size = batch.size
        total = self._parameters.filled_up(size)
        monitoring.PADDING_SIZE.labels(str(total)).observe(total - size)
        monitoring.PROCESSED_BATCH_SIZE.observe(total)
        columns = zip(self._names, zip(*(part.arrays for part in batch.parts), strict=True), strict=True)
        inputs = [
            merged(name, column, total - size, pad=self._parameters.pad_variable_length_inputs)
            for name, column in columns
        ]
        try:
            outputs = self._run(inputs)
        finally:
            monitoring.BATCHES_RUN.inc()
        for output in outputs:
            if output.ndim == 0:
                raise failed_precondition("Batched output tensor has 0 dimensions")
            if len(output) != total:
                raise failed_precondition(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors"
                )
        return pieces([output[:size] for output in outputs], [part.size for part in batch.parts])


def _full(why: str) -> ServingError:
    return ServingError(Code.UNAVAILABLE, f"The batch scheduling queue to which this task was submitted is full; {why}")
