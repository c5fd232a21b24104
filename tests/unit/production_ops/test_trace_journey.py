"""A click's journey says what the records say of that click, and no evidence where they say nothing."""

from __future__ import annotations

import pytest

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE
from production_ops.trace.core.evidence import Archived, Held, Place, trace_context
from production_ops.trace.core.journey import Name
from production_ops.trace.core.uses import TraceMatch, Use, windows_of
from tests.fakes.traced_click import CUSTOMER, Event, Past, click, ms, traceparent


@pytest.fixture
def past() -> Past:
    return Past()


@pytest.fixture
def view() -> Event:
    return click("view", 5)


def whole(past: Past, view: Event) -> None:
    """A view that goes all the way."""
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1, stood=5.055)
    past.counted(view, 5.06, 1, topic=PRODUCT_FEATURE, stood=5.064)
    past.holds(view, 1)
    past.archived[CLICK] = Archived({Place(0, 0): ms(9)}, {0: 0})
    past.decides(5.2, view)


def test_every_hop_of_a_click_has_its_delay_from_the_hop_before(past: Past, view: Event) -> None:
    whole(past, view)
    found = past.journey_of(view)
    delays = {hop.name: (hop.since, hop.delay_ms) for hop in found.hops if hop.delay_ms is not None}
    assert delays == {
        Name.KAFKA: (Name.PRODUCED, 20),
        Name.FLINK_CUSTOMER: (Name.KAFKA, 30),
        Name.FLINK_PRODUCT: (Name.KAFKA, 40),
        Name.REDIS_CUSTOMER: (Name.FLINK_CUSTOMER, 5),
        Name.REDIS_PRODUCT: (Name.FLINK_PRODUCT, 4),
        Name.READ: (Name.REDIS_CUSTOMER, 145),
        Name.DECISION: (Name.READ, 10),
        Name.BRONZE: (Name.KAFKA, 3_980),
    }
    assert found.hop(Name.KAFKA).evidence == f"{CLICK} 0@0, CreateTime"
    assert "holds the click" in found.hop(Name.REDIS_NOW).evidence
    assert (found.decisions[0].use, found.decisions[0].windows) == (Use.NEWEST, ("5m", "1h", "24h"))


def test_the_trace_id_stays_and_the_span_id_is_each_records_own(past: Past, view: Event) -> None:
    whole(past, view)
    found = past.journey_of(view)
    traced = [found.hop(n) for n in (Name.FLINK_CUSTOMER, Name.FLINK_PRODUCT, Name.DECISION)]
    assert [hop.match for hop in traced] == [TraceMatch.SAME] * 3
    assert len({hop.span_id for hop in (found.hop(Name.PRODUCED), *traced)}) == 4
    assert found.mismatches == ()


def test_a_broken_trace_id_in_a_decision_does_not_match(past: Past, view: Event) -> None:
    whole(past, view)
    past.decides(5.4, view, header=traceparent(view).replace(traceparent(view)[3:5], b"ee", 1))
    found = past.journey_of(view)
    assert [use.match for use in found.decisions] == [TraceMatch.SAME, TraceMatch.DIFFERS]
    assert found.mismatches == (f"decision {found.decisions[1].event_id}",)


def test_a_feature_record_without_the_trace_is_named(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1, traced=False)
    assert past.journey_of(view).mismatches == ("flink customer",)


def test_of_two_clicks_in_a_minute_each_has_its_own_record(past: Past, view: Event) -> None:
    second = click("second", 9, "add")
    past.arrives(view, 5.02)
    past.arrives(second, 9.02)
    past.counted(view, 5.05, 1, stood=5.06)
    past.counted(second, 9.05, 2, stood=9.07)
    past.decides(9.5, second)
    of_first, of_second = past.journey_of(view), past.journey_of(second)
    assert of_first.hop(Name.FLINK_CUSTOMER).at_ms == ms(5.05)
    assert "replaced by version 2" in of_first.hop(Name.FLINK_CUSTOMER).evidence
    assert of_second.hop(Name.FLINK_CUSTOMER).at_ms == ms(9.05)
    assert (of_first.hop(Name.REDIS_CUSTOMER).delay_ms, of_second.hop(Name.REDIS_CUSTOMER).delay_ms) == (10, 20)
    assert [use.use for use in of_first.decisions] == [Use.INSIDE]
    assert [use.use for use in of_second.decisions] == [Use.NEWEST]
    # The decision goes on with the second click's trace: that is right for both.
    assert [use.match for use in (*of_first.decisions, *of_second.decisions)] == [TraceMatch.SAME] * 2


def test_a_record_that_gave_way_in_its_batch_stood_with_the_newer_one(past: Past, view: Event) -> None:
    second = click("second", 9)
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1, stood=9.06)
    past.counted(second, 9.05, 2, stood=9.06)
    past.holds(second, 2, 1)
    found = past.journey_of(view)
    assert found.hop(Name.REDIS_CUSTOMER).evidence.endswith("version 2 stood at once")
    assert found.hop(Name.REDIS_NOW).evidence == "version 2 of its minute, offset 1: holds the click"


def test_an_older_version_in_redis_does_not_hold_the_click(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted(click("first", 1), 1.05, 1)
    past.counted(view, 5.05, 2)
    past.holds(click("first", 1), 1)
    assert past.journey_of(view).hop(Name.REDIS_NOW).evidence.endswith("older than the click's 2")


def test_a_decision_that_read_before_the_click_was_not_made_with_it(past: Past, view: Event) -> None:
    first, older = click("first", 1), click("older", -100)
    past.counted(older, -99, 1)
    past.counted(first, 1.05, 1, stood=1.06)
    past.decides(0.5, older)
    past.decides(4, first)
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 2, stood=5.06)
    found = past.journey_of(view)
    assert [use.use for use in found.decisions] == [Use.BEFORE] * 2
    assert found.hop(Name.DECISION).missing == "2 decisions: read before the click was there"
    assert found.hop(Name.DECISION).at_ms is None


@pytest.mark.parametrize(
    ("stood", "read", "use"), [(70, 71, Use.INSIDE), (70, 69, Use.BEFORE), (None, 71, Use.UNPROVEN)]
)
def test_a_late_click_behind_a_newer_minute_is_judged_by_the_clocks_or_not_at_all(
    past: Past, view: Event, stood: float | None, read: float, use: Use
) -> None:
    newer = click("newer", 61)
    past.arrives(newer, 61.02)
    past.counted(newer, 61.05, 1, stood=61.06)
    past.arrives(view, 69.5)
    past.counted(view, 69.6, 1, stood=stood)
    past.decides(read, newer)
    found = past.journey_of(view)
    assert found.hop(Name.KAFKA).delay_ms == 64_500
    assert [decision.use for decision in found.decisions] == [use]


def test_a_decision_whose_windows_do_not_hold_the_minute(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1, stood=5.06)
    later = click("later", 86_500)
    past.counted(later, 86_501, 1)
    past.decides(86_502, later)
    assert [use.use for use in past.journey_of(view).decisions] == [Use.OUTSIDE]


def test_windows_hold_a_minute_from_its_first_instant_on() -> None:
    minute = ms(0) // 60_000
    assert windows_of(minute, ms(0)) == ()
    assert windows_of(minute, ms(0.001)) == ("5m", "1h", "24h")
    assert windows_of(minute, ms(300)) == ("5m", "1h", "24h")
    assert windows_of(minute, ms(300.001)) == ("1h", "24h")


def test_a_decision_without_live_features_is_no_use(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1, stood=5.06)
    past.decides(5.5, None)
    found = past.journey_of(view)
    assert (found.decisions[0].use, found.decisions[0].match) == (Use.NOT_LIVE, TraceMatch.UNTRACED)


def test_a_click_without_a_traceparent_is_followed_by_its_id(past: Past, view: Event) -> None:
    past.arrives(view, 5.02, traced=False)
    past.counted(view, 5.05, 1, traced=False, stood=5.06)
    past.decides(5.5, view)
    found = past.journey_of(view)
    assert found.trace is None
    assert found.hop(Name.DECISION).delay_ms == 10
    assert {found.hop(name).match for name in (Name.FLINK_CUSTOMER, Name.DECISION)} == {TraceMatch.UNTRACED}
    assert found.mismatches == ()


def test_what_came_twice_counts_once(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.arrives(view, 5.9)
    past.counted(view, 5.05, 1, stood=5.06)
    past.counted(view, 6.05, 1, stood=6.06)
    found = past.journey_of(view)
    assert found.hop(Name.KAFKA).delay_ms == 20
    assert "2 arrivals" in found.hop(Name.KAFKA).evidence
    assert "sent 2 times" in found.hop(Name.FLINK_CUSTOMER).evidence
    assert found.hop(Name.REDIS_CUSTOMER).at_ms == ms(5.06)


def test_without_evidence_a_hop_has_a_reason_and_no_instant(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted(click("first", 1), 1.05, 1)
    found = past.journey_of(view)
    missing = {hop.name: hop.missing for hop in found.hops if hop.missing}
    assert missing[Name.FLINK_CUSTOMER] == (
        f"none of 1 records of customer {CUSTOMER} in this minute in {CUSTOMER_FEATURE} came with it"
    )
    assert missing.keys() == set(Name) - {Name.PRODUCED, Name.KAFKA}
    assert all(found.hop(name).at_ms is None and found.hop(name).delay_ms is None for name in missing)


def test_a_hop_behind_a_gap_has_an_instant_and_no_delay(past: Past, view: Event) -> None:
    """The decision names the click, but nothing says when it stood in Redis: no delay is made up."""
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1)
    past.decides(5.5, view)
    read = past.journey_of(view).hop(Name.READ)
    assert (read.at_ms, read.delay_ms) == (ms(5.5), None)


@pytest.mark.parametrize(
    ("archived", "why"),
    [
        (Archived(missing="bronze.customer_feature does not exist"), "does not exist"),
        (Archived({}, {}), "up to no offset, not yet 0"),
        (Archived({}, {0: 3}), f"look into {CUSTOMER_FEATURE}.dlq"),
    ],
)
def test_the_archive_says_why_it_lacks_a_record(past: Past, view: Event, archived: Archived, why: str) -> None:
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1)
    past.archived[CUSTOMER_FEATURE] = archived
    assert why in str(past.journey_of(view).hop(Name.REDIS_CUSTOMER).missing)


def test_an_impression_is_in_no_feature(past: Past) -> None:
    shown = click("shown", 5, "impression")
    past.arrives(shown, 5.02)
    found = past.journey_of(shown)
    assert found.hop(Name.FLINK_CUSTOMER).missing == f"{CUSTOMER_FEATURE} counts no impression"


def test_a_click_from_the_future_is_not_accepted(past: Past) -> None:
    ahead = click("ahead", 1_000)
    past.arrives(ahead, 1)
    found = past.journey_of(ahead)
    assert found.hop(Name.KAFKA).delay_ms == -999_000
    assert "999 s ahead of its arrival" in str(found.hop(Name.FLINK_CUSTOMER).missing)


def test_a_record_that_lists_the_click_under_another_id_is_said_to_be_that(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted({**view, "event_id": click("other", 5)["event_id"]}, 5.05, 1)
    hop = past.journey_of(view).hop(Name.FLINK_CUSTOMER)
    assert "names another event" in hop.evidence
    assert hop.match is None


def test_a_redis_that_does_not_answer_is_said_to_be_away(past: Past, view: Event) -> None:
    past.arrives(view, 5.02)
    past.counted(view, 5.05, 1)
    past.held = Held(missing="Redis does not answer (refused)")
    assert past.journey_of(view).hop(Name.REDIS_NOW).missing == "Redis does not answer (refused)"


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"00-abc-def-01",
        b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ],
)
def test_what_is_no_trace_context_by_w3c_is_none(header: bytes | None) -> None:
    assert trace_context(header) is None
