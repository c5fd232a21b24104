"""Breaker, bounded map, background jobs, reasons: the small parts that the promises rest on."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import structlog

from ml_modeling.core.candidates import CandidateSource
from model_serving.background import Periodic
from model_serving.core.breaker import CircuitBreaker
from model_serving.core.lru import LruMap
from model_serving.core.ranking import Source
from model_serving.core.reasons import sensitivity, source_of, text_of, top_effects
from model_serving.core.shelf import popular_overall
from shared_utils.errors import DependencyError
from tests.fakes.serving import LinearScorer, popularity


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[CircuitBreaker, Time]:
    time = Time()
    breaker = CircuitBreaker(time)
    for _ in range(5):
        assert breaker.allows()
        breaker.failed()
    return breaker, time


def test_the_breaker_opens_after_five_failures_in_ten_seconds() -> None:
    breaker, _ = opened()
    assert breaker.is_open
    assert not breaker.allows()


def test_five_slow_failures_do_not_open_it() -> None:
    time = Time()
    breaker = CircuitBreaker(time)
    for _ in range(20):
        breaker.failed()
        time.now += 2.6
    assert not breaker.is_open


def test_successes_between_failures_keep_it_shut() -> None:
    breaker = CircuitBreaker(Time())
    for _ in range(20):
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open


def test_one_probe_every_five_seconds_and_a_success_closes_it() -> None:
    breaker, time = opened()
    time.now += 5
    assert [breaker.allows() for _ in range(4)] == [True, False, False, False]
    breaker.failed()
    time.now += 4.9
    assert not breaker.allows()
    time.now += 0.1
    assert breaker.allows()
    breaker.succeeded()
    assert all(breaker.allows() for _ in range(10))
    assert not breaker.is_open


def test_the_map_forgets_what_was_used_longest_ago() -> None:
    held: LruMap[int, str] = LruMap(2)
    held.put(1, "a")
    held.put(2, "b")
    assert held.get(1) == "a"
    held.put(3, "c")
    assert (held.get(1), held.get(2), held.get(3), len(held)) == ("a", None, "c", 2)
    held.drop(1)
    assert held.get(1) is None


def test_a_background_job_survives_failures_and_tells_each_once() -> None:
    outcomes: list[Exception | None] = [
        DependencyError("down", "x"),
        DependencyError("down", "x"),
        KeyError("defect"),
        None,
        None,
    ]
    failures = []

    def action() -> None:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    job = Periodic("job", 60, action, lambda: failures.append(1))
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            job.turn()
    assert len(failures) == 3
    events = [entry["event"] for entry in logs]
    assert events == ["background_failed", "background_failed", "background_defect", "background_recovered"]


def test_a_background_job_runs_and_stops() -> None:
    turns = threading.Semaphore(0)
    job = Periodic("job", 0.001, turns.release)
    job.start()
    assert all(turns.acquire(timeout=5) for _ in range(3))
    job.close()
    assert "job" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("flags", "source"),
    [
        (CandidateSource.REPEAT | CandidateSource.POPULARITY, Source.REPEAT),
        (CandidateSource.COPURCHASE | CandidateSource.POPULARITY, Source.COPURCHASE),
        (CandidateSource.POPULARITY, Source.POPULARITY),
    ],
)
def test_the_most_personal_source_is_named(flags: CandidateSource, source: Source) -> None:
    assert source_of(int(flags)) is source


def test_texts_count_properly() -> None:
    assert text_of(Source.REPEAT, 1, 1) == "You bought this once, last 1 day ago."
    assert text_of(Source.REPEAT, 7, 12) == "You bought this 7 times, last 12 days ago."


def test_effects_of_a_linear_model_are_its_terms() -> None:
    weights = np.array([1.0, -2.0, 0.0, 10.0, 0.5])
    matrix = np.array([[0, 0, 0, 0, 0], [1, 1, 9, 1, 0], [0, 0, 0, 0, 0]], dtype=np.float32)
    scorer = LinearScorer(weights)
    (effects,) = top_effects(scorer, tuple("abcde"), np.abs(weights), matrix, scorer.score(matrix), np.array([1]))
    assert [(e.name, e.value, e.effect) for e in effects] == [("d", 1.0, 10.0), ("b", 1.0, -2.0), ("a", 1.0, 1.0)]
    (none,) = top_effects(scorer, tuple("abcde"), np.abs(weights), matrix, scorer.score(matrix), np.array([0]))
    assert none == ()


def test_sensitivity_of_a_linear_model_is_its_weights() -> None:
    weights = np.array([1.0, -2.0, 0.0, 10.0])
    rows = np.random.default_rng(1).random((50, 4), dtype=np.float32)
    rows[:, 2] = 3.0  # a feature that never moves
    assert np.allclose(sensitivity(LinearScorer(weights), rows), np.abs(weights))


def test_best_sellers_over_all_segments_leave_out_what_is_hidden() -> None:
    lists = popularity()
    everything = popular_overall(lists, frozenset())
    assert [share for _, share in everything] == sorted((share for _, share in everything), reverse=True)
    best = everything[0][0]
    assert popular_overall(lists, frozenset([best])) == everything[1:]
