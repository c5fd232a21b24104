from __future__ import annotations

import uuid

import numpy as np

from data_sources.events import Events, build, concat, rfc3339, rng_of, token_of, traceparent, uuid_of


def _events(*arrivals: int) -> Events:
    ids = [uuid_of(f"{n}") for n in arrivals]
    times = np.array(arrivals, dtype=np.int64)
    return build("t", [{"event_id": i} for i in ids], times, times, times, ids)


def test_ids_depend_on_the_name_only_and_are_uuids() -> None:
    assert uuid_of("a") == uuid_of("a") != uuid_of("b")
    parsed = uuid.UUID(uuid_of("a"))
    assert (parsed.version, parsed.variant, str(parsed)) == (5, uuid.RFC_4122, uuid_of("a"))
    assert token_of("card", "a") == token_of("card", "a") != token_of("card", "b")


def test_events_of_one_visit_share_a_trace_but_no_span() -> None:
    first, second = (traceparent(uuid_of(name), "visit").split("-") for name in ("a", "b"))
    assert first[1] == second[1]
    assert first[2] != second[2]
    assert [len(part) for part in first] == [2, 32, 16, 2]


def test_random_streams_are_independent_by_name() -> None:
    draws = [rng_of(1, "a").random(), rng_of(1, "a").random(), rng_of(1, "b").random(), rng_of(2, "a").random()]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_order_of_arrival_is_stable() -> None:
    mixed = concat([_events(3, 1), _events(1, 2)])
    first_of_equals = mixed.event_ids[1]
    ordered = mixed.by_arrival()
    assert ordered.arrival_ms.tolist() == [1, 1, 2, 3]
    assert ordered.event_ids[0] == first_of_equals
    assert set(ordered.fates) == {"silver"}


def test_instants_are_written_in_milliseconds() -> None:
    assert rfc3339(np.array([0, 1_762_664_400_123])) == ["1970-01-01T00:00:00.000Z", "2025-11-09T05:00:00.123Z"]
