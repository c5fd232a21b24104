"""The visits and the late topic against brute force over the clicks as they lie in Kafka.

A click that happened `session_lateness_ms` or more before the latest arrival that its partition has seen is late, every
other one belongs to one visit. A visit is judged when the arrivals have passed its end on every partition; the others
are still open. Categories of a visit are not judged here: they hang on a file that is no event.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from contracts.topics_names import CLICK, SESSION_FEATURE, late_name
from production_ops.ledger.minutes import read_leniently
from production_ops.ledger.model import Evidence, Rules, Seen, Stage, StageBalance, Word
from production_ops.ledger.placing import Placed, instant_ms

_JUDGED_LATER: Final = ("FUTURE", "ID_CONFLICT")
GAP_MS: Final = 30 * 60_000
_WATERMARK_SLACK_MS: Final = 2_000
_FIELDS: Final = (
    "customer_id", "session_start", "session_end", "events", "searches", "impressions", "views", "adds", "removes",
    "products", "converted",
)  # fmt: skip
_COUNTED: Final = ("search", "impression", "view", "add", "remove")

Visit = tuple[object, ...]
"""The judged fields of a visit's record."""


@dataclass(frozen=True, slots=True)
class _Click:
    event_id: str
    customer: int
    ms: int
    time: str
    action: str
    product: int | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read the topic: each click's visit, and the late ones."""

    visit_of: dict[str, Visit]
    ends_ms: dict[Visit, int]
    late: frozenset[str]


def judge_sessions(evidence: Evidence, placed: Sequence[Placed], rules: Rules) -> StageBalance:
    """Every click in exactly one visit or in the late topic, each closed visit sent once or repeated alike."""
    balance = StageBalance(Stage.SESSIONS)
    records = evidence.topics.get(SESSION_FEATURE, ())
    letters = evidence.topics.get(late_name(CLICK), ())
    if not records and not letters and Stage.SESSIONS not in rules.demanded:
        balance.unjudged.append(f"{SESSION_FEATURE} is empty: no Flink job ran")
        return balance
    balance.judged = True
    clicks = [item for item in placed if item.seen.topic == CLICK]
    latest = _latest_arrivals(clicks)
    reading = _read(clicks, latest, rules)
    closed_ms = _closed_before(clicks, evidence, rules)
    found = Counter(_visit_of_record(seen) for seen in records)
    balance.copies = sum(count - 1 for count in found.values())
    _judge_visits(reading, found, closed_ms, balance)
    _judge_late(reading, letters, balance)
    return balance


def _judge_visits(reading: _Reading, found: Counter[Visit], closed_ms: int, balance: StageBalance) -> None:
    members: dict[Visit, list[str]] = defaultdict(list)
    for event_id, visit in reading.visit_of.items():
        members[visit].append(event_id)
    for visit, ids in members.items():
        if reading.ends_ms[visit] + GAP_MS > closed_ms:
            continue
        if visit in found:
            balance.accounted += len(ids)
        else:
            balance.add(Word.LOST, _named(visit), f"no record, {len(ids)} clicks", ids)
    for visit in found.keys() - reading.ends_ms.keys():
        balance.add(Word.MISROUTED, _named(visit), "a record of no visit")


def _judge_late(reading: _Reading, letters: Iterable[Seen], balance: StageBalance) -> None:
    found = {event_id for event_id in map(_id_of, letters) if event_id}
    for event_id in sorted(reading.late - found):
        balance.add(Word.LOST, event_id, "too late for its visit, but not in the late topic", [event_id])
    for event_id in sorted(found - reading.late):
        balance.add(Word.MISROUTED, event_id, "in the late topic, but in time", [event_id])
    balance.accounted += len(reading.late & found)


def _latest_arrivals(clicks: Sequence[Placed]) -> list[int]:
    """For each record the latest arrival that its partition has seen; what the contract refuses moves nothing."""
    latest: dict[int, int] = defaultdict(int)
    seen_by: list[int] = []
    for item in clicks:
        if _is_read(item):
            latest[item.seen.partition] = max(latest[item.seen.partition], item.seen.timestamp_ms)
        seen_by.append(latest[item.seen.partition])
    return seen_by


def _is_read(item: Placed) -> bool:
    """Whether the record is one of the contract; a future one, or another one of its id, is refused behind it."""
    return not item.fate.startswith("quarantine:") or item.fate.partition(":")[2] in _JUDGED_LATER


def _closed_before(clicks: Sequence[Placed], evidence: Evidence, rules: Rules) -> int:
    latest = {seen.partition: 0 for seen in evidence.topics.get(CLICK, ())}
    for item in filter(_is_read, clicks):
        latest[item.seen.partition] = max(latest[item.seen.partition], item.seen.timestamp_ms)
    return min(latest.values(), default=0) - rules.session_lateness_ms - _WATERMARK_SLACK_MS


def _read(clicks: Sequence[Placed], latest: Sequence[int], rules: Rules) -> _Reading:
    by_customer: dict[int, list[_Click]] = defaultdict(list)
    late: set[str] = set()
    for item, latest_ms in zip(clicks, latest, strict=True):
        click = _click(item)
        if click is None:
            continue
        if click.ms <= latest_ms - rules.session_lateness_ms:
            late.add(click.event_id)
        else:
            by_customer[click.customer].append(click)
    visit_of: dict[str, Visit] = {}
    ends: dict[Visit, int] = {}
    for events in by_customer.values():
        for members in _cut(events):
            visit = _visit(members)
            ends[visit] = members[-1].ms
            visit_of.update(dict.fromkeys((click.event_id for click in members), visit))
    return _Reading(visit_of, ends, frozenset(late))


def _click(item: Placed) -> _Click | None:
    if item.fate not in ("silver", "late"):
        return None
    event = read_leniently(item.seen.value)
    if event is None:
        return None
    time = str(event["event_time"])
    product = event["product_id"]
    return _Click(str(event["event_id"]), int(event["customer_id"]), instant_ms(time), time, event["action"], product)


def _cut(events: list[_Click]) -> list[list[_Click]]:
    visits: list[list[_Click]] = []
    for click in sorted(events, key=lambda c: c.ms):
        if visits and click.ms - visits[-1][-1].ms < GAP_MS:
            visits[-1].append(click)
        else:
            visits.append([click])
    return visits


def _visit(members: Sequence[_Click]) -> Visit:
    counts = Counter(click.action for click in members)
    products = {click.product for click in members if click.action in ("view", "add")}
    return (
        members[0].customer,
        members[0].time,
        members[-1].time,
        len(members),
        *(counts[action] for action in _COUNTED),
        len(products),
        counts["checkout"] > 0,
    )


def _visit_of_record(seen: Seen) -> Visit:
    try:
        value: dict[str, Any] = orjson.loads(seen.value or b"")
        return tuple(value[name] for name in _FIELDS)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ("{}[{}]@{}".format(*seen.coordinate), "unreadable")


def _id_of(seen: Seen) -> str | None:
    event = read_leniently(seen.value)
    return None if event is None else str(event.get("event_id"))


def _named(visit: Visit) -> str:
    return f"visit of customer {visit[0]} from {visit[1]}"
