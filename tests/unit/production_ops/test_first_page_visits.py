"""The button: who clicks on what, how often it may be pressed, and a shelf that does not move is not called moved."""

from __future__ import annotations

from concurrent.futures import Executor

import orjson
import pytest

from production_ops.first_page.core import shelves
from production_ops.first_page.core.answers import State
from production_ops.first_page.visits import FOLLOWED_SECONDS, GAP_SECONDS, TooSoonError, Visits
from shared_utils.errors import DependencyError
from tests.fakes.first_page_shop import FakeShop, Held, Now
from tests.fakes.traced_click import NOON


def visits(shop: FakeShop, pool: Executor | None = None, times: list[float] | None = None) -> Visits:
    ticks = iter(times or [])
    counter = iter(range(0, 10_000, 1))
    return Visits(
        shop.shop(), pool or Now(), clock=lambda: NOON,
        monotonic=lambda: next(ticks) if times else float(next(counter)), patience_seconds=3.0,
    )  # fmt: skip


def test_before_the_first_visit_there_is_nothing() -> None:
    shop = FakeShop()
    assert visits(shop).answer.state is State.EMPTY

    shop.flink = False
    assert visits(shop).answer.state is State.NOT_STARTED


def test_a_household_clicks_on_three_of_a_category_that_its_shelf_lacks_and_the_shelf_moves() -> None:
    shop = FakeShop()
    visit = visits(shop)
    visit.begin()

    clicks = [orjson.loads(record.value or b"") for record in shop.sent]
    assert [click["product_id"] for click in clicks] == [110, 111, 112]
    assert {click["customer_id"] for click in clicks} == {7}
    assert clicks[-1]["event_time"] == "2026-11-28T12:00:00.000Z"
    found = visit.answer
    assert found.state is State.SHOWN
    assert (found.data["category"], found.data["of_category"]) == ("tea", [0, 4])
    assert found.data["wait_ms"] is not None
    assert visit.event_id == clicks[-1]["event_id"]


def test_a_shelf_that_never_names_the_click_did_not_move() -> None:
    visit = visits(FakeShop(reacts=False))
    visit.begin()

    assert visit.answer.data["wait_ms"] is None


def test_a_list_with_nothing_to_click_on_is_a_failure() -> None:
    visit = visits(FakeShop(categories=[("milk", 12), ("tea", 2)]))
    visit.begin()

    assert (visit.answer.state, visit.event_id) == (State.FAILED, None)


def test_without_flink_nothing_is_sent() -> None:
    shop = FakeShop()
    shop.flink = False
    with pytest.raises(DependencyError, match="streaming is not started"):
        visits(shop).begin()
    assert shop.sent == []


def test_one_visit_at_a_time_and_seldom() -> None:
    under_way = visits(FakeShop(), Held())
    under_way.begin()
    with pytest.raises(TooSoonError):
        under_way.begin()

    clock = [0.0]
    visit = Visits(FakeShop().shop(), Now(), clock=lambda: NOON, monotonic=lambda: clock[0])
    visit.begin()
    clock[0] = GAP_SECONDS - 0.1
    with pytest.raises(TooSoonError):
        visit.begin()
    clock[0] = GAP_SECONDS
    visit.begin()


def test_a_visit_is_followed_for_a_while() -> None:
    clock = [0.0]
    visit = Visits(FakeShop().shop(), Now(), clock=lambda: NOON, monotonic=lambda: clock[0])
    visit.begin()

    assert visit.event_id is not None
    clock[0] = FOLLOWED_SECONDS
    assert visit.event_id is None


def test_every_card_knows_its_place_on_the_other_shelf() -> None:
    shop = FakeShop()
    visit = visits(shop)
    visit.begin()

    before, after = visit.answer.data["before"], visit.answer.data["after"]
    assert len(before) == len(after) == shelves.SHOWN
    assert [(card["rank"], card["other_rank"]) for card in after[:2]] == [(1, 1), (2, 2)]
