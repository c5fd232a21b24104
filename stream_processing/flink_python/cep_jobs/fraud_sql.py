"""The fraud rules as SQL: one view of matches a rule, and one insert of all alerts.

Everything here is a pure function of the rules. The views `payment` and `purchase` (each event_id once, `event_time` a
time attribute) must exist. Matches are looked for in event time: an event that is later than the watermark is in none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Final

from stream_processing.core.fraud_rules import (
    MAX_EVENT_IDS,
    AccountTakeover,
    CardTesting,
    CouponAbuse,
    FraudRules,
    ImpossibleTravel,
    Rule,
    Velocity,
)

COLUMNS: Final = (
    "alert_id", "pattern", "event_time", "first_event_time", "customer_id", "subject_kind", "subject", "event_ids",
    "amount_cents", "rule_version", "sentence", "traceparent",
)  # fmt: skip

_APPROVED_SUM: Final = "SUM(CASE WHEN outcome = 'approved' THEN amount_cents ELSE CAST(0 AS BIGINT) END)"
# A basket's lines share one instant, so a running sum by event over that instant is the basket's sum on each line.
_HEAVY_BASKETS: Final = """
CREATE TEMPORARY VIEW coupon_basket AS
SELECT event_id, event_time, customer_id, coupon_cents, total_cents, traceparent
FROM (
  SELECT p.event_id, p.event_time, p.customer_id, p.total_cents, p.traceparent, line_number,
    SUM(coupon_discount_cents + coupon_match_discount_cents) OVER basket AS coupon_cents,
    MIN(line_number) OVER basket AS first_line
  FROM purchase AS p CROSS JOIN UNNEST(p.lines) AS line (
    line_number, product_id, quantity, sales_cents, retail_discount_cents, coupon_discount_cents,
    coupon_match_discount_cents
  )
  WINDOW basket AS (
    PARTITION BY p.event_id ORDER BY p.event_time RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW
  )
)
WHERE line_number = first_line AND coupon_cents >= {min_coupon_cents}
  AND 100 * coupon_cents >= {min_coupon_percent} * (coupon_cents + total_cents)
"""
_APPROVED: Final = """
CREATE TEMPORARY VIEW approved_payment AS
SELECT * FROM payment WHERE outcome = 'approved' AND address_token IS NOT NULL
"""


def definitions(rules: FraudRules) -> tuple[str, ...]:
    """The views: what the rules look at, then the alerts of each rule, named `<pattern>_alert`."""
    heavy = rules.coupon_abuse
    return (
        _HEAVY_BASKETS.format(min_coupon_cents=heavy.min_coupon_cents, min_coupon_percent=heavy.min_coupon_percent),
        _APPROVED,
        *map(alert_view, rules.all()),
    )


def all_alerts(rules: FraudRules) -> str:
    """A query of every rule's alerts, with the columns `COLUMNS`; instants are TIMESTAMP_LTZ(3)."""
    columns = ", ".join(f"`{name}`" for name in COLUMNS)
    selects = [f"SELECT {columns} FROM {rule.pattern}_alert" for rule in rules.all()]
    return "\nUNION ALL\n".join(selects)


def alert_view(rule: Rule) -> str:
    """The alerts of one rule. Grain: one row a match."""
    subject = f"CAST({rule.subject_kind.column} AS STRING)"
    identity = f"CONCAT_WS('|', '{rule.pattern}', '{rule.version}', '{rule.subject_kind}', {subject}, last_event_id)"
    return f"""
CREATE TEMPORARY VIEW {rule.pattern}_alert AS
SELECT SHA256({identity}) AS alert_id, '{rule.pattern}' AS `pattern`, last_event_time AS event_time, first_event_time,
  last_customer_id AS customer_id, '{rule.subject_kind}' AS subject_kind, {subject} AS subject,
  ARRAY_SLICE(SPLIT(matched_ids, ','), -{MAX_EVENT_IDS}) AS event_ids, amount_cents,
  CAST({rule.version} AS BIGINT) AS rule_version, {_sentence(rule, subject)} AS sentence, traceparent
{_MATCHES[type(rule)](rule)}
"""


def _card_testing(rule: CardTesting) -> str:
    return _match(
        rule,
        source="payment",
        pattern=f"D{{{rule.declines},}} A",
        first="D",
        last="A",
        measures={"amount_cents": "A.amount_cents", "declines": "COUNT(D.event_id)"},
        define={"D": "D.outcome = 'declined'", "A": "A.outcome = 'approved'"},
    )


def _velocity(rule: Velocity) -> str:
    """C1 C2 … are the first payments with each card, O1 O2 … further payments with cards seen by then."""
    numbers = range(1, rule.cards + 1)
    last = f"C{rule.cards}"
    steps = [f"C{n} O{n}*" for n in numbers if n < rule.cards]
    new = {f"C{n}": " AND ".join(f"C{n}.card_token <> C{m}.card_token" for m in range(1, n)) for n in numbers if n > 1}
    old = {
        f"O{n}": " OR ".join(f"O{n}.card_token = C{m}.card_token" for m in range(1, n + 1))
        for n in numbers
        if n < rule.cards
    }
    return _match(
        rule,
        source="payment",
        pattern=" ".join([*steps, last]),
        first="C1",
        last=last,
        measures={"amount_cents": _APPROVED_SUM},
        define={**new, **old},
    )


def _impossible_travel(rule: ImpossibleTravel) -> str:
    ways = [way for a, b in rule.far_pairs() for way in ((a, b), (b, a))]
    far = " OR ".join(f"(A.region = {_text(a)} AND B.region = {_text(b)})" for a, b in ways)
    return _match(
        rule,
        source="payment",
        pattern="A B",
        first="A",
        last="B",
        measures={"amount_cents": _APPROVED_SUM, "from_region": "A.region", "to_region": "B.region"},
        define={"B": far},
    )


def _coupon_abuse(rule: CouponAbuse) -> str:
    names = [f"B{n}" for n in range(1, rule.baskets + 1)]
    return _match(
        rule,
        source="coupon_basket",
        pattern=" ".join(names),
        first=names[0],
        last=names[-1],
        measures={"amount_cents": "SUM(coupon_cents)"},
        define={},
    )


def _account_takeover(rule: AccountTakeover) -> str:
    known = [f"K{n}" for n in range(1, rule.known_payments + 1)]
    new = [f"T.{column} <> {each}.{column}" for each in known for column in ("device_id", "address_token")]
    return _match(
        rule,
        source="approved_payment",
        pattern=" ".join([*known, "T"]),
        first=known[0],
        last="T",
        measures={"amount_cents": "T.amount_cents"},
        define={"T": " AND ".join([f"T.amount_cents >= {rule.min_amount_cents}", *new])},
    )


_MATCHES: Final[Mapping[type[Rule], Callable[..., str]]] = {
    CardTesting: _card_testing,
    Velocity: _velocity,
    ImpossibleTravel: _impossible_travel,
    CouponAbuse: _coupon_abuse,
    AccountTakeover: _account_takeover,
}


def _match(
    rule: Rule,
    *,
    source: str,
    pattern: str,
    first: str,
    last: str,
    measures: Mapping[str, str],
    define: Mapping[str, str],
) -> str:
    """A MATCH_RECOGNIZE; `first` and `last` are the variables of the first and the last event of a match."""
    common = {
        "first_event_time": f"FIRST({first}.event_time)",
        "last_event_time": f"{last}.event_time",
        "last_event_id": f"{last}.event_id",
        "last_customer_id": f"{last}.customer_id",
        "traceparent": f"{last}.traceparent",
        "matched_ids": "LISTAGG(event_id)",
    }
    # The subject's column comes out of PARTITION BY, so no measure may bear its name.
    lines = ",\n    ".join(f"{text} AS {name}" for name, text in {**common, **measures}.items())
    conditions = ",\n    ".join(f"{name} AS {text}" for name, text in define.items())
    return f"""FROM {source} MATCH_RECOGNIZE (
  PARTITION BY {rule.subject_kind.column}
  ORDER BY event_time, event_id
  MEASURES
    {lines}
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN ({pattern}) WITHIN {_interval(rule.within_seconds)}
  {f"DEFINE{chr(10)}    {conditions}" if conditions else "DEFINE " + f"{last} AS TRUE"}
)"""


def _sentence(rule: Rule, subject: str) -> str:
    """The rule's sentence as an SQL expression. A field is a measure, a threshold, or one of the texts below."""
    seconds = "TIMESTAMPDIFF(SECOND, first_event_time, last_event_time)"
    cents = "LPAD(CAST(MOD(amount_cents, 100) AS STRING), 2, '0')"
    texts = {
        "kind": _text(rule.subject_kind.capitalize()),
        "subject": subject,
        "money": f"CONCAT(CAST(amount_cents / 100 AS STRING), '.', {cents})",
        "seconds": f"CAST({seconds} AS STRING)",
        "hours": f"CAST({seconds} / 3600 AS STRING)",
        **{name: _text(str(value)) for name, value in rule if isinstance(value, int)},
    }
    if isinstance(rule, CardTesting):
        del texts["declines"]  # how many there were, not how many there must be
    pieces = []
    for literal, name, _, _ in Formatter().parse(rule.sentence):
        pieces += [_text(literal)] * bool(literal)
        pieces += [texts.get(name, f"CAST({name} AS STRING)")] * bool(name) if name else []
    return f"CONCAT({', '.join(pieces)})"


def _interval(seconds: int) -> str:
    """Any number of seconds: Flink takes three digits of an interval's first unit at most."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"INTERVAL '{day} {hour:02}:{minute:02}:{second:02}' DAY(3) TO SECOND(3)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
