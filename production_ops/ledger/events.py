"""From the producer to silver: every record by its Kafka coordinate, against its intended fate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from contracts.topics_names import SHOP_TOPICS, dlq_name
from production_ops.ledger.model import Coordinate, Evidence, Row, Rules, Seen, Stage, StageBalance, Word
from production_ops.ledger.placing import STRANGER, Placed

_QUARANTINE = "quarantine:"


def judge_kafka(evidence: Evidence, placed: Sequence[Placed], strangers: Sequence[Seen], rules: Rules) -> StageBalance:
    """Every record that was sent lies in its topic once, and those of one key lie in the order of their sending."""
    balance = StageBalance(Stage.KAFKA, judged=bool(evidence.topics))
    if not balance.judged:
        balance.unjudged.append("there is none of the topics")
        return balance
    here = {item.sent.number for item in placed}
    balance.accounted = len(here - {STRANGER}) + sum(item.sent.number == STRANGER for item in placed)
    for sent in evidence.sent:
        if sent.number not in here:
            balance.add(
                Word.LOST, sent.event_id or f"record {sent.number}", f"not in {sent.topic}", _ids(sent.event_id)
            )
    for item in placed:
        if item.copy and rules.copies_allowed:
            balance.copies += 1
        elif item.copy:
            balance.add(Word.DUPLICATED, item.name, f"copy {item.copy + 1} at {_at(item.seen.coordinate)}", [item.name])
        if item.seen.topic != item.sent.topic:
            balance.add(Word.MISROUTED, item.name, f"in {item.seen.topic} instead of {item.sent.topic}", [item.name])
    for seen in strangers:
        balance.add(Word.MISROUTED, _at(seen.coordinate), "a record that no producer announced")
    _judge_order(placed, balance)
    return balance


def _judge_order(placed: Sequence[Placed], balance: StageBalance) -> None:
    """The first copies of one entity have rising numbers in one partition; a later copy or a stranger has no place."""
    before: dict[tuple[str, bytes | None], Placed] = {}
    for item in placed:
        if item.copy or item.sent.number == STRANGER:
            continue
        entity = (item.seen.topic, item.seen.key)
        last = before.get(entity)
        before[entity] = item
        if last is None or item.seen.key is None:
            continue
        key = item.seen.key.decode(errors="replace")
        if last.seen.partition != item.seen.partition:
            detail = f"key {key} lies in partitions {last.seen.partition} and {item.seen.partition}"
            balance.add(Word.MISROUTED, item.name, detail, [last.name, item.name])
        elif last.sent.number > item.sent.number:
            detail = f"sent before {last.name}, lies behind it ({_at(item.seen.coordinate)}, key {key})"
            balance.add(Word.REORDERED, item.name, detail, [last.name, item.name])


def judge_bronze(evidence: Evidence, placed: Sequence[Placed]) -> StageBalance:
    """Each record of Kafka is one row of bronze, with the same bytes, and no row is of no record."""
    balance = StageBalance(Stage.BRONZE)
    names = {item.seen.coordinate: item.name for item in placed}

    def name_of(seen: Seen) -> str:
        return names.get(seen.coordinate) or _at(seen.coordinate)

    for topic in SHOP_TOPICS:
        records = evidence.topics.get(topic, ())
        if topic in evidence.bronze:
            balance.judged = True
            compare_rows(records, evidence.bronze[topic], name_of, balance)
        elif records:
            balance.unjudged.append(f"{topic} has {len(records)} records, but no bronze table")
    return balance


def compare_rows(
    records: Sequence[Seen], rows: Sequence[Row], name_of: Callable[[Seen], str], balance: StageBalance
) -> None:
    """Rows against records, one for one; `name_of` is asked only for the name of what differs."""
    values: dict[Coordinate, bytes | None] = {row.coordinate: row.value for row in rows}
    counts = Counter(row.coordinate for row in rows)
    for seen in records:
        coordinate = seen.coordinate
        count = counts.pop(coordinate, 0)
        if count == 1 and values[coordinate] == seen.value:
            balance.accounted += 1
            continue
        name, place = name_of(seen), _at(coordinate)
        if count == 1:
            balance.add(Word.MISROUTED, name, f"{place} has other bytes", [name])
        else:
            balance.add(Word.DUPLICATED if count else Word.LOST, name, f"{place} has {count} rows", [name])
    for coordinate in counts:
        balance.add(Word.MISROUTED, _at(coordinate), "a row of no record")


def judge_silver(evidence: Evidence, placed: Sequence[Placed]) -> StageBalance:
    """Each record ends in exactly one of silver, late, duplicate and quarantine, and in the one it is meant for."""
    balance = StageBalance(Stage.SILVER)
    ends: dict[Coordinate, list[str]] = defaultdict(list)
    for coordinate, fate in evidence.ends:
        ends[coordinate].append(fate)
    ran = {topic for topic in SHOP_TOPICS if topic in evidence.bronze or any(at[0] == topic for at in ends)}
    balance.judged = bool(ran)
    for item in placed:
        found = ends.pop(item.seen.coordinate, [])
        if item.seen.topic not in ran:
            continue
        if not found:
            balance.add(Word.LOST, item.name, f"meant for {item.fate}, ended nowhere", [item.name])
        elif len(found) > 1:
            balance.add(Word.DUPLICATED, item.name, f"ended in {' and '.join(sorted(found))}", [item.name])
        elif found[0] != item.fate:
            balance.add(Word.MISROUTED, item.name, f"meant for {item.fate}, ended in {found[0]}", [item.name])
        else:
            balance.accounted += 1
    known = {seen.coordinate for topic in SHOP_TOPICS for seen in evidence.topics.get(topic, ())}
    for coordinate in ends.keys() - known:
        balance.add(Word.MISROUTED, _at(coordinate), f"ended in {ends[coordinate][0]}, but is no record")
    for topic in {item.seen.topic for item in placed} - ran:
        balance.unjudged.append(f"{topic} has no table in the lake")
    return balance


def judge_dead_letters(evidence: Evidence, placed: Sequence[Placed]) -> StageBalance:
    """Each refused record has a letter with its reason, bytes and origin; a repeated letter is told by its origin."""
    balance = StageBalance(Stage.DEAD_LETTERS)
    for topic in SHOP_TOPICS:
        ours = [item for item in placed if item.seen.topic == topic]
        letters = evidence.topics.get(dlq_name(topic), ())
        # Nobody has read the topic yet: its letters are not missing.
        if topic not in evidence.bronze and not letters:
            if ours:
                balance.unjudged.append(f"{topic} was not read, and {dlq_name(topic)} is empty")
            continue
        balance.judged = True
        _judge_letters(ours, letters, balance)
    return balance


def _judge_letters(placed: Sequence[Placed], letters: Sequence[Seen], balance: StageBalance) -> None:
    by_origin: dict[tuple[int, int], list[Seen]] = defaultdict(list)
    for letter in letters:
        by_origin[_origin(letter)].append(letter)
    for item in placed:
        found = by_origin.pop((item.seen.partition, item.seen.offset), [])
        reason = item.fate.removeprefix(_QUARANTINE) if item.fate.startswith(_QUARANTINE) else None
        reasons = {letter.headers.get("reason", b"").decode(errors="replace") for letter in found}
        if reason is None:
            if found:
                balance.add(Word.MISROUTED, item.name, f"meant for {item.fate}, has a dead letter", [item.name])
        elif not found:
            balance.add(Word.LOST, item.name, f"refused ({reason}), but without a dead letter", [item.name])
        elif reasons != {reason} or any(letter.value != item.seen.value for letter in found):
            detail = f"its dead letter says {', '.join(sorted(reasons))} or has other bytes, not {reason}"
            balance.add(Word.MISROUTED, item.name, detail, [item.name])
        else:
            balance.accounted += 1
            balance.copies += len(found) - 1
    for origin, strays in by_origin.items():
        if placed:
            balance.add(Word.MISROUTED, _at(strays[0].coordinate), f"a dead letter of no known record ({origin})")


def _origin(letter: Seen) -> tuple[int, int]:
    partition, offset = (letter.headers.get(f"source_{name}", b"") for name in ("partition", "offset"))
    return (int(partition), int(offset)) if partition.isdigit() and offset.isdigit() else (-1, -1)


def _at(coordinate: Coordinate) -> str:
    return "{}[{}]@{}".format(*coordinate)


def _ids(event_id: str | None) -> list[str]:
    return [] if event_id is None else [event_id]
