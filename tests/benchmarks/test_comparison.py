from __future__ import annotations

import pytest

from benchmarks.comparison import USUAL, Measured, all_loads, better_peers, impatience, usual_load
from benchmarks.load import Report
from benchmarks.processes import Memory
from benchmarks.scale import on_paper
from benchmarks.services import Service

MB = 2**20


def measured(name: str, way: str, rate: int, cpu_ms: float, private: int = 100, refused: int = 0) -> Measured:
    """`rate` answers in a second, each of 10 ms and of so much CPU."""
    report = Report(1.0, [0.01] * rate, refused, {}, {"all": rate * cpu_ms / 1000}, 0.1, "")
    memory = Memory(private * MB, 10 * MB)
    return Measured("ann", Service(name, way), 5.0, memory, memory, {USUAL: [report]})


OURS = measured("this project", "ours", 100, 10.0)
SEED = measured("Flask", "naive", 4, 200.0, private=300)
HANDED = measured("MLServer", "handed", 80, 9.0, private=300)
BROKEN = Measured("ann", Service("KServe", "handed"), failure="it ended")


def test_services_are_compared_with_the_first_one() -> None:
    section = usual_load("ann", [OURS, SEED, HANDED, BROKEN])
    rows = {row["service"]: row for row in section.rows}
    assert rows["MLServer"]["ratio"] == pytest.approx(0.8)
    assert rows["MLServer"]["CPU ratio"] == pytest.approx(0.9)
    assert rows["Flask"]["answers/s and core"] == pytest.approx(5)
    assert rows["Flask"]["MB loaded"] == "300 + 10"
    assert rows["Flask"]["USD for a million"] == pytest.approx(200e-3 * 1e6 / 3600 * 0.04)
    assert rows["KServe"]["errors"] == "did not start"


def test_goals_are_against_the_best_peer_and_naive_flask() -> None:
    goals = {goal.name.partition(": ")[2]: goal for goal in usual_load("ann", [OURS, SEED, HANDED]).goals}
    assert (goals["answers/s to the best handed peer"].value, goals["answers/s to the best handed peer"].met) == (
        1.25,
        True,
    )
    assert not goals["CPU to the leanest handed peer"].met
    assert (goals["answers/s to naive Flask"].value, goals["answers/s to naive Flask"].met) == (25, True)


def test_a_better_peer_is_named_with_both_figures() -> None:
    rows = better_peers([OURS, SEED, HANDED]).rows
    assert rows == [
        {
            "model": "ann",
            "figure": "CPU ms an answer",
            "this project": "this project",
            "its figure": pytest.approx(10.0),
            "peer": "MLServer (handed)",
            "the peer's": pytest.approx(9.0),
        }
    ]


def test_every_load_has_a_row_with_refusals_and_errors() -> None:
    failed = Report(1.0, [0.01], 3, {"500": 2}, {"all": 0.1}, 0.1, "")
    seen = Measured("ann", Service("this project", "ours"), reports={("raw", 64): [failed]})
    (row,) = all_loads([seen]).rows
    assert (row["body"], row["clients"], row["refused"], row["errors"]) == ("raw", 64, 3, "2 of 500")


def test_impatient_clients_are_compared_with_patient_ones_of_the_same_turn() -> None:
    seen = measured("this project", "ours", 100, 10.0)
    slow = Report(1.0, [0.01] * 95, 1000, {}, {"all": 1.0}, 0.1, "")
    seen.impatient = [(seen.reports[USUAL][0], slow)]
    section = impatience([seen])
    assert [goal.met for goal in section.goals] == [True]
    assert section.goals[0].value == pytest.approx(0.95)


def test_pods_and_money_follow_from_the_time_of_a_clip() -> None:
    one, hundred, many = on_paper(9.2, 23.1).rows
    assert (one["gateways"], one["nodes"], one["USD a month"]) == ("2 of 0.25 cores", "2 of 2 cores", "117")
    assert (hundred["gateways"], hundred["model servers"], hundred["nodes"]) == (
        "3 of 1 core",
        "3 of 2 cores",
        "3 of 4 cores",
    )
    assert (many["gateways"], many["model servers"]) == ("170 of 1 core", "54 of 8 cores")
    assert (many["nodes"], many["USD a month"]) == ("21 of 32 cores", "19,622")
    assert many["USD for a million answers"] == pytest.approx(0.747, abs=0.001)
