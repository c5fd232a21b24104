"""A journey for the eye, in 80 columns, and for a program, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from production_ops.trace.core.journey import Hop, Journey, Name
from production_ops.trace.core.uses import DecisionUse, TraceMatch
from shared_utils.time_utils import EPOCH, to_rfc3339

_MATCHES: Final = {
    TraceMatch.SAME: ("same", "green"),
    TraceMatch.DIFFERS: ("DIFFERS", "bold red"),
    TraceMatch.ABSENT: ("none", "bold red"),
    TraceMatch.UNTRACED: ("-", "dim"),
}
_BAR_COLUMNS: Final = 50
_TICKS: Final = ((1, "1ms"), (10, "10ms"), (100, "100ms"), (1_000, "1s"), (10_000, "10s"), (60_000, "1min"),
                 (3_600_000, "1h"), (86_400_000, "1d"), (864_000_000, "10d"), (8_640_000_000, "100d"))  # fmt: skip
_DECISIONS_SHOWN: Final = 5


def print_journey(journey: Journey, source: str, console: Console) -> None:
    """The click, its hops, its decisions and the bars of its delays."""
    console.print(f"Click {journey.event_id}", style="bold")
    product = "" if journey.product_id is None else f" of product {journey.product_id}"
    console.print(f"  {journey.action}{product} by customer {journey.customer_id}; evidence from {source}")
    trace = journey.trace
    console.print(f"  trace {trace.trace_id}" if trace else "  no trace: the click has no valid traceparent header")
    console.print(_hops(journey))
    console.print()
    console.print(Text("\n".join(bars(journey)), no_wrap=True, overflow="crop"))
    console.print()
    if journey.decisions:
        console.print(_decisions(journey))
    _conclude(journey, console)


def as_json(journey: Journey, source: str) -> dict[str, Any]:
    """The journey as plain values; instants as RFC 3339, delays in milliseconds."""
    return {
        "event_id": journey.event_id,
        "customer_id": journey.customer_id,
        "product_id": journey.product_id,
        "action": journey.action,
        "trace_id": journey.trace and journey.trace.trace_id,
        "source": source,
        "hops": [_hop_json(hop) for hop in journey.hops],
        "decisions": [_decision_json(use) for use in journey.decisions],
        "mismatches": list(journey.mismatches),
    }


def bars(journey: Journey) -> Iterator[str]:
    """A line per timed hop: from the instant that its delay counts from to its own, on a logarithmic axis.

    The axis is the time since the click was produced. What lies before that, by differing clocks, stands at its start.
    """
    timed = {hop.name: hop.at_ms for hop in journey.hops if hop.at_ms is not None}
    origin = journey.hops[0].at_ms or 0
    longest = max(max(timed.values()) - origin, 10)

    def column(at_ms: int) -> int:
        return round(_BAR_COLUMNS * math.log10(1 + max(at_ms - origin, 0)) / math.log10(1 + longest))

    marks = [" "] * (_BAR_COLUMNS + 8)
    for ms, label in _TICKS:
        place = column(origin + ms)
        if ms <= longest and all(mark == " " for mark in marks[max(place - 1, 0) : place + len(label)]):
            marks[place : place + len(label)] = label
    yield f"{'since produced':16}{''.join(marks).rstrip()}"
    for hop in journey.hops:
        if hop.at_ms is None or hop.since is None or hop.since not in timed:
            continue
        start, end = sorted((column(timed[hop.since]), column(hop.at_ms)))
        bar = " " * start + "█" * max(end - start, 1)
        yield f"{hop.name:16}{bar} {duration(hop.delay_ms or 0)}"


def duration(ms: int) -> str:
    """`35 ms`, `1.25 s`, `2.1 min`, `3.4 h`, `5.6 d`, with the sign of a clock that runs behind."""
    for limit, unit_ms, unit in ((60_000, 1_000, "s"), (3_600_000, 60_000, "min"), (86_400_000, 3_600_000, "h")):
        if abs(ms) < 1_000:
            return f"{ms} ms"
        if abs(ms) < limit:
            return f"{ms / unit_ms:.3g} {unit}"
    return f"{ms / 86_400_000:.1f} d"


def _hops(journey: Journey) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), width=80)
    for name, width in (("hop", 14), ("at (UTC)", 12), ("delay", 8), ("trace", 7)):
        table.add_column(name, width=width, no_wrap=name != "at (UTC)")
    table.add_column("evidence", ratio=1)
    day = _instant(journey.hops[0].at_ms or 0).date()
    for hop in journey.hops:
        if hop.missing is not None:
            table.add_row(hop.name, Text("no evidence", "yellow"), "", "", Text(hop.missing, "yellow"))
            continue
        match = Text("" if hop.match is None else _MATCHES[hop.match][0], _MATCHES[hop.match][1] if hop.match else "")
        at = "" if hop.at_ms is None else _clock(hop.at_ms, other_day=_instant(hop.at_ms).date() != day)
        since = "" if hop.delay_ms is None else f" (since {hop.since})"
        table.add_row(hop.name, at, "" if hop.delay_ms is None else duration(hop.delay_ms), match,
                      Text(hop.evidence + since))  # fmt: skip
    return table


def _decisions(journey: Journey) -> Table:
    uses = [use for use in journey.decisions if use.use.is_use] or list(journey.decisions)
    shown = uses[:_DECISIONS_SHOWN]
    used = sum(use.use.is_use for use in journey.decisions)
    title = f"Decisions of customer {journey.customer_id}: {len(journey.decisions)}, {used} of them with the click"
    table = Table(box=None, padding=(0, 1, 0, 0), width=80, title=title, title_justify="left")
    for name, width in (("decision", 9), ("at (UTC)", 12), ("trace", 7), ("use", 18)):
        table.add_column(name, width=width)
    table.add_column("evidence", ratio=1)
    day = _instant(journey.hops[0].at_ms or 0).date()
    for use in shown:
        word, style = _MATCHES[use.match]
        at = _clock(use.at_ms, other_day=_instant(use.at_ms).date() != day)
        table.add_row(use.event_id[:8], at, Text(word, style), use.use.value, Text(use.why))
    if len(uses) > len(shown):
        table.add_row("", "", "", "", f"and {len(uses) - len(shown)} more: --json names all")
    return table


def _conclude(journey: Journey, console: Console) -> None:
    if journey.mismatches:
        console.print(f"The trace id does not match in: {', '.join(journey.mismatches)}.", style="bold red")
        return
    matches = [hop.match for hop in journey.hops if hop.name is not Name.DECISION]
    same = [*matches, *(use.match for use in journey.decisions)].count(TraceMatch.SAME)
    if same:
        console.print(f"All {same} headers of records made with this click carry the trace id that they must.")


def _hop_json(hop: Hop) -> dict[str, Any]:
    return {
        "hop": hop.name.value,
        "at": _text(hop.at_ms),
        "delay_ms": hop.delay_ms,
        "since": hop.since and hop.since.value,
        "evidence": hop.evidence or None,
        "no_evidence": hop.missing,
        "trace": hop.match and hop.match.value,
        "span_id": hop.span_id,
    }


def _decision_json(use: DecisionUse) -> dict[str, Any]:
    return {
        "event_id": use.event_id,
        "request_id": use.request_id,
        "partition": use.place.partition,
        "offset": use.place.offset,
        "at": _text(use.at_ms),
        "kafka_at": _text(use.kafka_ms),
        "live_as_of": _text(use.live_as_of_ms),
        "live_event_id": use.live_event_id,
        "use": use.use.value,
        "used": use.use.is_use,
        "evidence": use.why,
        "windows": list(use.windows),
        "trace": use.match.value,
        "trace_id": use.trace and use.trace.trace_id,
        "span_id": use.trace and use.trace.span_id,
    }


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, EPOCH.tzinfo)


def _text(ms: int | None) -> str | None:
    return None if ms is None else to_rfc3339(_instant(ms))


def _clock(ms: int, *, other_day: bool) -> str:
    text = to_rfc3339(_instant(ms))
    return f"{text[:10]} {text[11:23]}" if other_day else text[11:23]
