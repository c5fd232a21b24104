"""How each case of fraud goes, step by step, and how each near miss does. Thresholds here are the truth's own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

CASES = 10
NEAR_MISSES = 2

_SECOND_MS = 1_000
_BOUND_MS = 600_000
"""Card testing, velocity and travel must happen in less time than this."""
_LARGE_CENTS = 15_000
_DECLINES = 4
_CARDS = 4
_KNOWN = 3
_REGIONS = 8


@dataclass(frozen=True)
class Step:
    """One payment attempt, `after_ms` after the first. `card` is a number: cards of a case are its own."""

    after_ms: int
    approved: bool = True
    card: int = 0
    region: int = 0
    cents: int = 900
    new_device: bool = True
    new_address: bool = False


@dataclass(frozen=True)
class Plot:
    """One case: its steps and what is true of it. `known`: it comes after so many approved payments of the customer."""

    pattern: str
    subject_kind: str
    fires: bool
    story: str
    steps: tuple[Step, ...]
    known: int | None = None


def plots(rng: np.random.Generator) -> Iterator[Plot]:
    """Of each pattern `CASES` cases and as many at the edge as near misses of a kind, then those near misses."""
    for kind in (_card_testing, _velocity, _impossible_travel, _account_takeover):
        for _ in range(CASES):
            yield kind(rng)
    for _ in range(NEAR_MISSES):
        yield from _edges(rng)
        yield from _near_misses(rng)


def _card_testing(
    rng: np.random.Generator, *, declines: int | None = None, span_ms: int | None = None, approved: bool = True
) -> Plot:
    declines = int(rng.integers(_DECLINES, _DECLINES + 4)) if declines is None else declines
    offsets = _spread(rng, declines + 1, span_ms)
    steps = [Step(ms, approved=False) for ms in offsets[:-1]] + [Step(offsets[-1], approved=approved)]
    return Plot("card_testing", "card", True, f"{declines} declines, then an approval", tuple(steps))


def _velocity(rng: np.random.Generator, *, cards: int = _CARDS, span_ms: int | None = None) -> Plot:
    # The first and the last card pay once, so that a bound on the whole span is one on every choice of events.
    numbers = sorted([*range(cards), *rng.integers(1, cards - 1, 2).tolist()])
    steps = [
        Step(ms, approved=bool(rng.random() < 0.5), card=card)
        for ms, card in zip(_spread(rng, len(numbers), span_ms), numbers, strict=True)
    ]
    return Plot("velocity", "device", True, f"{cards} cards on one device", tuple(steps))


def _impossible_travel(rng: np.random.Generator, *, apart: int | None = None, span_ms: int | None = None) -> Plot:
    start = int(rng.integers(_REGIONS))
    apart = int(rng.integers(2, _REGIONS - 1)) if apart is None else apart
    offsets = _spread(rng, 2, span_ms)
    steps = (Step(offsets[0], region=start), Step(offsets[1], region=(start + apart) % _REGIONS))
    return Plot("impossible_travel", "card", True, f"{apart} regions further along the ring", steps)


def _account_takeover(rng: np.random.Generator, *, cents: int | None = None) -> Plot:
    cents = int(rng.integers(_LARGE_CENTS, 4 * _LARGE_CENTS)) if cents is None else cents
    story = f"new device, new address, {cents} cents"
    return Plot("account_takeover", "customer", True, story, (Step(0, cents=cents, new_address=True),), _KNOWN)


def _edges(rng: np.random.Generator) -> Iterator[Plot]:
    """Just enough: one millisecond inside the window, exactly the large amount."""
    for plot in (
        _card_testing(rng, declines=_DECLINES, span_ms=_BOUND_MS - 1),
        _velocity(rng, span_ms=_BOUND_MS - 1),
        _impossible_travel(rng, span_ms=_BOUND_MS - 1),
        _account_takeover(rng, cents=_LARGE_CENTS),
    ):
        yield replace(plot, story=f"{plot.story}, just enough")


def _near_misses(rng: np.random.Generator) -> Iterator[Plot]:
    yield _but(_card_testing(rng, declines=_DECLINES - 1), "one decline too few")
    yield _but(_card_testing(rng, declines=_DECLINES, span_ms=_BOUND_MS), "exactly the window")
    yield _but(_card_testing(rng, declines=_DECLINES + 1, approved=False), "never approved")
    yield _but(_interrupted(rng), "an approval in between")
    yield _but(_velocity(rng, cards=_CARDS - 1), "one card too few")
    yield _but(_velocity(rng, span_ms=_BOUND_MS), "exactly the window")
    yield _but(_impossible_travel(rng, apart=1), "a neighbouring region")
    yield _but(_impossible_travel(rng, span_ms=_BOUND_MS), "exactly the window")
    yield _but(_impossible_travel(rng, span_ms=6 * _BOUND_MS), "an hour later")
    takeover = _account_takeover(rng)
    (step,) = takeover.steps
    yield _but(replace(takeover, steps=(replace(step, new_address=False),)), "the customer's own address")
    yield _but(replace(takeover, steps=(replace(step, new_device=False),)), "the customer's own device")
    yield _but(_account_takeover(rng, cents=_LARGE_CENTS - 1), "a cent too little")
    yield _but(replace(takeover, known=_KNOWN - 1), "one payment before too few")


def _interrupted(rng: np.random.Generator) -> Plot:
    plot = _card_testing(rng, declines=_DECLINES)
    middle = len(plot.steps) // 2
    steps = [replace(step, approved=step.approved or number == middle) for number, step in enumerate(plot.steps)]
    return replace(plot, steps=tuple(steps))


def _but(plot: Plot, why: str) -> Plot:
    return replace(plot, fires=False, story=f"{plot.story}; but {why}")


def _spread(rng: np.random.Generator, count: int, span_ms: int | None) -> Sequence[int]:
    """`count` times from 0 to `span_ms` (else up to nine tenths of the window), in order, none twice."""
    span = int(rng.integers(20 * _SECOND_MS, _BOUND_MS * 9 // 10)) if span_ms is None else span_ms
    between = rng.choice(np.arange(1, span), count - 2, replace=False)
    return [0, *sorted(between.tolist()), span]
