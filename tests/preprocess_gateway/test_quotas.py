"""Limits that several processes keep together, and what becomes of them if one is killed."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import pytest

from preprocess_gateway.quotas import NAMES, Ledger

FORK = multiprocessing.get_context("fork")  # as gunicorn makes workers


def hold(ledger: Ledger, row: int, amount: int, taken: Event, end: Event) -> None:
    ledger.row = row
    assert ledger.quota("recordings", 10).take(amount)
    taken.set()
    end.wait()
    ledger.quota("recordings", 10).give(amount)


def test_what_another_worker_has_taken_counts_until_it_gives_it_back_or_is_killed() -> None:
    ledger = Ledger(3)
    quota, rows = ledger.quota("recordings", 10), [ledger.claim() for _ in range(3)]
    ledger.row = rows[0]
    assert quota.take(2)
    ends = [FORK.Event(), FORK.Event()]
    taken = [FORK.Event(), FORK.Event()]
    workers = [FORK.Process(target=hold, args=(ledger, rows[1 + n], 3, taken[n], ends[n])) for n in range(2)]
    for worker, has_taken in zip(workers, taken, strict=True):
        worker.start()
        assert has_taken.wait(60)
    assert quota.taken == 8
    assert not quota.take(3)
    assert quota.take(2)
    ends[0].set()
    workers[0].join(60)
    assert quota.taken == 7
    assert workers[1].pid
    os.kill(workers[1].pid, signal.SIGKILL)
    workers[1].join(60)
    assert quota.taken == 7
    ledger.release(rows[2])  # as the arbiter does
    assert quota.taken == 4
    assert ledger.claim() == rows[2]


def make_and_take() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as on a full disk, no file can grow
    ledger = Ledger(10)
    ledger.row = 5
    assert ledger.quota("recordings", 1).take()


def test_counting_needs_no_room_on_the_disk() -> None:
    """The folder for temporary files is also that of recordings, which may fill it."""
    worker = FORK.Process(target=make_and_take)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0


def grab(ledger: Ledger, row: int, result: multiprocessing.Queue[int]) -> None:
    ledger.row = row
    quota = ledger.quota("held_bytes", 100)
    result.put(sum(quota.take() for _ in range(200)))


def test_workers_who_take_at_the_same_time_never_take_more_than_there_is() -> None:
    ledger, result = Ledger(4), FORK.Queue()
    workers = [FORK.Process(target=grab, args=(ledger, row, result)) for row in range(4)]
    for worker in workers:
        worker.start()
    assert sum(result.get(timeout=60) for _ in workers) == 100
    for worker in workers:
        worker.join(60)


def take_turns(ledger: Ledger, row: int, held: Synchronized[int], result: multiprocessing.Queue[int]) -> None:
    ledger.row = row
    quota, most = ledger.quota("places", 3), list[int]()

    def hammer() -> None:
        for amount in (1, 2, 3) * 200:
            if quota.take(amount):
                with held.get_lock():
                    held.value += amount
                    most.append(held.value)
                with held.get_lock():
                    held.value -= amount
                quota.give(amount)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.put(max(most))


def test_what_threads_of_several_workers_take_and_give_back_at_once_adds_up() -> None:
    ledger, result, held = Ledger(3), FORK.Queue(), FORK.Value("i", 0)
    workers = [FORK.Process(target=take_turns, args=(ledger, row, held, result)) for row in range(3)]
    for worker in workers:
        worker.start()
    assert max(result.get(timeout=60) for _ in workers) <= 3
    for worker in workers:
        worker.join(60)
    assert ledger.quota("places", 3).taken == 0


def test_giving_back_waits_for_nobody_who_takes() -> None:
    ledger = Ledger()
    quota = ledger.quota("places", 1)
    assert quota.take()
    with ledger.locked():
        quota.give()
        assert quota.taken == 0
    assert quota.take()


@pytest.mark.parametrize("name", NAMES)
def test_limits_do_not_count_together(name: str) -> None:
    ledger = Ledger()
    assert ledger.quota(name, 1).take()
    assert [other for other in NAMES if ledger.quota(other, 1).taken] == [name]


def test_each_client_has_a_limit_of_its_own() -> None:
    ledger = Ledger()
    assert ledger.quota_of("192.0.2.1", 1).take()
    assert not ledger.quota_of("192.0.2.1", 1).take()
    assert ledger.quota_of("192.0.2.2", 1).take()
