"""The ledger of the live topics balances a healthy run, and each planted fault turns it red and is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, SESSION_FEATURE, TRANSACTION, dlq_name
from production_ops.ledger.balance import balance
from production_ops.ledger.model import Balance, Difference, Row, Rules, Stage, Word
from tests.fakes.flink_world import Json
from tests.fakes.ledger_world import LATENESS_MS, SESSION_LATENESS_MS, LedgerWorld, build

RULES = Rules(allowed_lateness_ms=LATENESS_MS, session_lateness_ms=SESSION_LATENESS_MS)
ALL = replace(RULES, demanded=frozenset(Stage))


@pytest.fixture
def world() -> LedgerWorld:
    return build()


def judged(world: LedgerWorld, rules: Rules = ALL) -> Balance:
    return balance(world.evidence(), rules)


def only(result: Balance, stage: Stage, word: Word) -> Difference:
    """The one difference of the whole ledger: a fault is named once, where it is, as what it is."""
    found = [(each.stage, difference) for each in result.stages for difference in each.differences]
    assert [(where, difference.word) for where, difference in found] == [(stage, word)], found
    assert not result.balanced
    return found[0][1]


def test_a_healthy_run_balances_in_every_stage(world: LedgerWorld) -> None:
    result = judged(world)
    assert result.balanced, [each.differences[:3] for each in result.stages]
    assert result.missing == []
    accounted = {each.stage: each.accounted for each in result.stages}
    shop = len(world.topics[CLICK]) + len(world.topics[TRANSACTION])
    assert (accounted[Stage.KAFKA], accounted[Stage.BRONZE], accounted[Stage.SILVER]) == (shop, shop, shop)
    assert accounted[Stage.DEAD_LETTERS] == sum("quarantine" in sent.fate for sent in world.sent)
    emitted = [*world.topics[CUSTOMER_FEATURE], *world.topics[PRODUCT_FEATURE]]
    assert accounted[Stage.FEATURES] == len(emitted)
    assert accounted[Stage.ARCHIVE] == len(emitted) + len(world.topics[SESSION_FEATURE])
    assert accounted[Stage.SESSIONS] > 400


# --- the shop's topics ---


def test_a_record_lost_before_kafka_is_named(world: LedgerWorld) -> None:
    bare = build(features=False)
    lost = bare.event_id(CLICK)
    gone = bare.seen_of(lost)
    bare.topics[CLICK].remove(gone)
    bare.bronze[CLICK] = [row for row in bare.bronze[CLICK] if row.coordinate != gone.coordinate]
    bare.ends = [end for end in bare.ends if end[0] != gone.coordinate]
    assert only(judged(bare, RULES), Stage.KAFKA, Word.LOST).subject == lost


def test_a_lost_silver_row_is_named(world: LedgerWorld) -> None:
    lost = world.event_id(CLICK)
    world.ends.remove((world.seen_of(lost).coordinate, "silver"))
    assert only(judged(world), Stage.SILVER, Word.LOST).subject == lost


def test_a_lost_bronze_row_is_named(world: LedgerWorld) -> None:
    lost = world.event_id(TRANSACTION)
    world.bronze[TRANSACTION] = [
        row for row in world.bronze[TRANSACTION] if row.coordinate != world.seen_of(lost).coordinate
    ]
    assert only(judged(world), Stage.BRONZE, Word.LOST).subject == lost


def test_m1_a_row_twice_in_silver_is_named(world: LedgerWorld) -> None:
    twice = world.event_id(CLICK)
    world.ends.append((world.seen_of(twice).coordinate, "silver"))
    assert only(judged(world), Stage.SILVER, Word.DUPLICATED).subject == twice


def test_a_record_twice_in_kafka_is_named_unless_copies_are_allowed(world: LedgerWorld) -> None:
    twice = world.event_id(CLICK)
    seen = world.seen_of(twice)
    assert seen.key is not None
    copy = world.put(CLICK, seen.key.decode(), seen.value, seen.timestamp_ms, spool_id=str(seen.number))
    world.bronze[CLICK].append(Row(copy.coordinate, copy.value))
    world.ends.append((copy.coordinate, "duplicate"))
    assert only(judged(world), Stage.KAFKA, Word.DUPLICATED).subject == twice
    allowed = replace(ALL, copies_allowed=True)
    assert judged(world, allowed).balanced
    world.ends[-1] = (copy.coordinate, "silver")
    assert only(judged(world, allowed), Stage.SILVER, Word.MISROUTED).subject == twice


@pytest.mark.parametrize("end", ["late", "duplicate", "quarantine:SCHEMA"])
def test_another_end_than_the_intended_one_is_misrouted(world: LedgerWorld, end: str) -> None:
    wrong = world.event_id(CLICK)
    at = world.ends.index((world.seen_of(wrong).coordinate, "silver"))
    world.ends[at] = (world.seen_of(wrong).coordinate, end)
    found = only(judged(world), Stage.SILVER, Word.MISROUTED)
    assert (found.subject, found.detail) == (wrong, f"meant for silver, ended in {end}")


def test_two_records_of_one_entity_in_swapped_order_are_named(world: LedgerWorld) -> None:
    bare = build(features=False)
    lying = bare.topics[CLICK]
    first = next(n for n, seen in enumerate(lying) if n > 100 and bare.sent[seen.number or 0].fate == "silver")
    other = next(n for n in range(first + 1, len(lying)) if lying[n].key == lying[first].key)
    numbers = lying[first].number, lying[other].number
    coordinates = lying[first].coordinate, lying[other].coordinate
    lying[first], lying[other] = (
        lying[other]._replace(offset=lying[first].offset),
        lying[first]._replace(offset=lying[other].offset),
    )
    bare.bronze[CLICK] = [Row(seen.coordinate, seen.value) for seen in lying]
    fates = dict(bare.ends)
    swapped = {coordinates[0]: fates[coordinates[1]], coordinates[1]: fates[coordinates[0]]}
    bare.ends = [(at, swapped.get(at, fate)) for at, fate in bare.ends]
    found = only(judged(bare, RULES), Stage.KAFKA, Word.REORDERED)
    assert set(found.ids) == {bare.sent[number or 0].event_id for number in numbers}


def test_a_key_in_two_partitions_is_misrouted(world: LedgerWorld) -> None:
    moved = world.put(CLICK, "2", b"", 0)
    world.topics[CLICK].remove(moved)
    key = next(seen.key for seen in world.topics[CLICK])
    at = max(n for n, seen in enumerate(world.topics[CLICK]) if seen.key == key)
    lying = world.topics[CLICK][at]
    world.topics[CLICK][at] = lying._replace(partition=1 - lying.partition, offset=10**6)
    details = [d.detail for d in judged(world).stages[0].differences if d.word is Word.MISROUTED]
    assert any("lies in partitions" in detail for detail in details)


def test_a_stranger_is_misrouted_or_judged_by_its_contract(world: LedgerWorld) -> None:
    bare = build(features=False)
    event = json.loads(bare.topics[CLICK][5].value or b"")
    event["event_id"] = "00000000-0000-4000-8000-000000000001"
    arrival = bare.topics[CLICK][5].timestamp_ms
    stranger = bare.put(CLICK, str(event["customer_id"]), json.dumps(event).encode(), arrival)
    bare.bronze[CLICK].append(Row(stranger.coordinate, stranger.value))
    bare.ends.append((stranger.coordinate, "silver"))
    assert "no producer announced" in only(judged(bare, RULES), Stage.KAFKA, Word.MISROUTED).detail
    judging = replace(RULES, judge_strangers=True)
    assert judged(bare, judging).balanced
    bare.ends[-1] = (stranger.coordinate, "late")
    assert only(judged(bare, judging), Stage.SILVER, Word.MISROUTED).subject == event["event_id"]


def test_a_missing_or_wrong_dead_letter_is_named(world: LedgerWorld) -> None:
    letters = world.topics[dlq_name(CLICK)]
    gone = letters.pop(3)
    assert only(judged(world), Stage.DEAD_LETTERS, Word.LOST)
    letters.insert(3, gone._replace(headers={**gone.headers, "reason": b"SIZE"}))
    assert only(judged(world), Stage.DEAD_LETTERS, Word.MISROUTED)
    letters[3:4] = [gone, gone]
    assert judged(world).balanced  # at least once, told apart by its origin


# --- the features ---


def change_final(world: LedgerWorld, topic: str, change: Callable[[Json], None]) -> Json:
    """Change the newest state of a minute with several views, in Kafka and in the lake alike; gives it as it was."""
    best = max(world.states(topic), key=lambda state: (state["views"], state["version"]))
    entity = "customer_id" if topic == CUSTOMER_FEATURE else "product_id"
    place = (best[entity], best["bucket_start"])
    at = max(n for n, s in enumerate(world.states(topic)) if (s[entity], s["bucket_start"]) == place)
    state = world.states(topic)[at]
    before = json.loads(json.dumps(state))
    change(state)
    world.topics[topic][at] = world.topics[topic][at]._replace(value=json.dumps(state).encode())
    world.archived[topic] = [Row(seen.coordinate, seen.value) for seen in world.topics[topic]]
    return before


def test_a_click_counted_twice_is_named_with_its_id(world: LedgerWorld) -> None:
    def double(state: Json) -> None:
        state["version"] += 1
        state["views" if state["products"][0]["action"] == "view" else "adds"] += 1
        state["products"].append(state["products"][0])

    before = change_final(world, CUSTOMER_FEATURE, double)
    found = only(judged(world), Stage.FEATURES, Word.DUPLICATED)
    assert found.subject == f"customer {before['customer_id']} at {before['bucket_start']}"
    touch = before["products"][0]
    (named,) = found.ids
    event = json.loads(world.seen_of(named).value or b"")
    assert (event["product_id"], event["event_time"]) == (touch["product_id"], touch["event_time"])


def test_a_click_lost_from_a_minute_is_named_with_its_id(world: LedgerWorld) -> None:
    def lose(state: Json) -> None:
        gone = state["products"].pop(0)
        state["version"] -= 1
        state["views" if gone["action"] == "view" else "adds"] -= 1

    before = change_final(world, CUSTOMER_FEATURE, lose)
    # The states before it are of greater version then: they go as well.
    place = (before["customer_id"], before["bucket_start"])
    kept = [
        seen
        for seen, state in zip(world.topics[CUSTOMER_FEATURE], world.states(CUSTOMER_FEATURE), strict=True)
        if (state["customer_id"], state["bucket_start"]) != place or state["last_event_id"] == before["last_event_id"]
    ]
    world.topics[CUSTOMER_FEATURE] = kept
    world.archived[CUSTOMER_FEATURE] = [Row(seen.coordinate, seen.value) for seen in kept]
    found = only(judged(world), Stage.FEATURES, Word.LOST)
    (named,) = found.ids
    assert json.loads(world.seen_of(named).value or b"")["product_id"] == before["products"][0]["product_id"]


def test_a_wrong_sum_of_a_product_names_its_minute(world: LedgerWorld) -> None:
    before = change_final(world, PRODUCT_FEATURE, lambda state: state.update(spend_cents=state["spend_cents"] + 1))
    found = only(judged(world), Stage.FEATURES, Word.MISROUTED)
    assert found.subject == f"product {before['product_id']} at {before['bucket_start']}"
    assert found.ids


def test_a_missing_minute_is_named_with_its_events(world: LedgerWorld) -> None:
    victim = world.states(CUSTOMER_FEATURE)[300]
    place = (victim["customer_id"], victim["bucket_start"])
    world.topics[CUSTOMER_FEATURE] = [
        seen
        for seen, state in zip(world.topics[CUSTOMER_FEATURE], world.states(CUSTOMER_FEATURE), strict=True)
        if (state["customer_id"], state["bucket_start"]) != place
    ]
    world.archived[CUSTOMER_FEATURE] = [Row(seen.coordinate, seen.value) for seen in world.topics[CUSTOMER_FEATURE]]
    found = only(judged(world), Stage.FEATURES, Word.LOST)
    assert found.subject == "customer {} at {}".format(*place)
    assert victim["last_event_id"] in found.ids


def test_products_in_another_order_than_they_came_are_reordered(world: LedgerWorld) -> None:
    change_final(world, CUSTOMER_FEATURE, lambda state: state["products"].reverse())
    assert only(judged(world), Stage.FEATURES, Word.REORDERED).ids


def test_a_record_that_never_came_is_named_though_a_later_one_makes_up_for_it(world: LedgerWorld) -> None:
    at = next(n for n, state in enumerate(world.states(CUSTOMER_FEATURE)) if state["version"] == 1 and n > 200
              and any(s["bucket_start"] == state["bucket_start"] and s["customer_id"] == state["customer_id"]
                      and s["version"] == 2 for s in world.states(CUSTOMER_FEATURE)))  # fmt: skip
    gone = world.topics[CUSTOMER_FEATURE].pop(at)
    world.archived[CUSTOMER_FEATURE] = [
        row for row in world.archived[CUSTOMER_FEATURE] if row.coordinate != gone.coordinate
    ]
    found = only(judged(world), Stage.FEATURES, Word.LOST)
    assert found.subject == json.loads(gone.value or b"")["last_event_id"]


def test_an_event_counted_though_it_is_refused_is_misrouted_once() -> None:
    kinds = ("unknown_field", "key_as_text", "negative_cents", "two_documents")
    taken = build(slipped=kinds)
    misrouted = judged(taken, RULES).stages[4].differences
    assert {difference.word for difference in misrouted} == {Word.MISROUTED}
    named = [difference.subject for difference in misrouted]
    assert len(set(named)) >= len(kinds)
    assert set(named) <= {sent.event_id for sent in taken.sent if sent.fault in kinds}
    slipped = build(slipped=("no_event_time", "unknown_action"))
    # An action that nobody knows is counted as nothing; a missing time cannot be counted by its contract.
    found = judged(slipped, RULES).stages[4]
    assert {difference.word for difference in found.differences} == {Word.MISROUTED}
    ids = {difference.subject for difference in found.differences}
    assert {sent.event_id for sent in slipped.sent if sent.fault == "no_event_time"} <= ids | {None}


def test_a_lost_doubled_or_changed_row_of_the_archive_is_named(world: LedgerWorld) -> None:
    rows = world.archived[CUSTOMER_FEATURE]
    name = world.states(CUSTOMER_FEATURE)[7]["last_event_id"]
    lost = rows.pop(7)
    assert only(judged(world), Stage.ARCHIVE, Word.LOST).subject == name
    rows += [lost, lost]
    assert only(judged(world), Stage.ARCHIVE, Word.DUPLICATED).subject == name
    rows[-2:] = [lost._replace(value=b"{}")]
    assert only(judged(world), Stage.ARCHIVE, Word.MISROUTED).subject == name


# --- visits ---


def test_a_lost_a_changed_and_a_repeated_visit(world: LedgerWorld) -> None:
    visits = world.topics[SESSION_FEATURE]
    bare = replace(RULES, demanded=frozenset())
    world.archived.pop(SESSION_FEATURE)
    gone = visits.pop(4)
    assert "visit of customer" in only(judged(world, bare), Stage.SESSIONS, Word.LOST).subject
    visits.insert(4, gone)
    visits.append(gone._replace(offset=10**6))
    assert judged(world, bare).balanced
    changed = json.loads(gone.value or b"")
    changed["views"] += 1
    visits[4] = gone._replace(value=json.dumps(changed).encode())
    assert only(judged(world, bare), Stage.SESSIONS, Word.MISROUTED)


def test_a_late_click_that_is_not_set_aside_is_lost(world: LedgerWorld) -> None:
    letters = world.topics[f"{CLICK}.late"]
    gone = letters.pop()
    assert only(judged(world), Stage.SESSIONS, Word.LOST).subject == json.loads(gone.value or b"")["event_id"]


# --- absent parts ---


def test_what_left_no_evidence_is_not_judged_and_says_so() -> None:
    bare = build(features=False)
    result = judged(bare, RULES)
    assert result.balanced
    silent = {each.stage: each.unjudged for each in result.stages if not each.judged}
    assert set(silent) == {Stage.FEATURES, Stage.SESSIONS, Stage.ARCHIVE}
    assert silent[Stage.FEATURES] == ["the feature topics are empty: no Flink job ran"]


def test_a_demanded_stage_without_evidence_is_red() -> None:
    bare = build(features=False)
    demanded = judged(bare, replace(RULES, demanded=frozenset({Stage.FEATURES})))
    assert demanded.count(Word.LOST) > 100
    archive = judged(bare, replace(RULES, demanded=frozenset({Stage.ARCHIVE})))
    assert not archive.balanced
    assert archive.count(Word.LOST) == 0
    assert any("archive" in missing for missing in archive.missing)


def test_a_topic_that_no_stream_has_read_is_not_judged(world: LedgerWorld) -> None:
    del world.bronze[TRANSACTION]
    world.ends = [end for end in world.ends if end[0][0] != TRANSACTION]
    del world.topics[dlq_name(TRANSACTION)]
    assert judged(world, RULES).balanced
    demanded = judged(world)
    assert {missing.partition(":")[0] for missing in demanded.missing} == {"bronze", "silver", "dead_letters"}
    assert not demanded.balanced
