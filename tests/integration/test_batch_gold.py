"""Gold on Sail over real weeks: formulas against plain Python, re-runs, an added day, repair, and planted faults."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from batch_processing.interval import Interval
from batch_processing.transforms.copurchase import MIN_JOINT_ORDERS, MIN_ORDERS, product_copurchase
from data_lake import engine
from data_lake.catalog import (
    CUSTOMER_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    CUSTOMER_PROFILE,
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    PRODUCT_COPURCHASE,
    PRODUCT_FEATURES,
    PRODUCT_PROMOTION_WEEK,
    TRANSACTION_LINE,
    Table,
)
from data_lake.compare import compare, content_hash, read_table
from shared_utils.local_stack import LocalStack
from shared_utils.settings import Settings
from shared_utils.time_utils import epoch_day
from tests.fakes.batch_lake import (
    engines,
    history,
    kafka_day,
    run_pipeline,
    settings_of,
    small_archive,
    write_kafka_rows,
)

pytestmark = pytest.mark.integration
GOLD = (
    DAILY_CUSTOMER,
    DAILY_PRODUCT_SALES,
    CUSTOMER_FEATURES,
    CUSTOMER_PROFILE,
    PRODUCT_FEATURES,
    CUSTOMER_PRODUCT_FEATURES,
    PRODUCT_COPURCHASE,
    PRODUCT_PROMOTION_WEEK,
)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with engines(tmp_path_factory.mktemp("sail"), "sail") as stack:
        yield stack


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def built(sail: LocalStack, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_of(sail, "sail", tmp_path_factory.mktemp("built") / "lake")
    assert run_pipeline(settings, history(), archive)[0] == "reference"
    return settings


@pytest.fixture
def copied(built: Settings, sail: LocalStack, tmp_path: Path) -> Settings:
    """The same lake in a folder of its own, for a test that changes it."""
    shutil.copytree(built.lake.root, tmp_path / "lake")
    return settings_of(sail, "sail", tmp_path / "lake")


def rows_of(table: Table, settings: Settings) -> list[Row]:
    rows: list[Row] = read_table(table, settings.lake.root).to_pylist()
    return rows


def hashes(settings: Settings) -> dict[str, str]:
    return {table.name: content_hash(read_table(table, settings.lake.root), table.key) for table in GOLD}


@pytest.fixture(scope="module")
def lines(built: Settings) -> list[Row]:
    rows = rows_of(TRANSACTION_LINE, built)
    assert len(rows) > 1_000
    return [{**row, "day": epoch_day(row["event_date"])} for row in rows]


def test_every_archived_line_reaches_silver_with_its_product_and_promotion(lines: list[Row]) -> None:
    assert len({(row["basket_id"], row["line_number"]) for row in lines}) == len(lines)
    assert sum(row["department"] is not None for row in lines) > 0.99 * len(lines)
    assert any(row["mailer_location"] not in (None, "0") for row in lines)


def test_customer_features_equal_plain_python(built: Settings, lines: list[Row]) -> None:
    bought = defaultdict(list)
    for row in lines:
        bought[row["customer_id"]].append(row)
    found = rows_of(CUSTOMER_FEATURES, built)
    first_day = {customer: min(r["day"] for r in own) for customer, own in bought.items()}
    assert len(found) == sum(epoch_day(history().end) - day for day in first_day.values())
    for feature in found[::7]:
        assert_customer(feature, [r for r in bought[feature["customer_id"]] if r["day"] <= feature["day"]])


def assert_customer(feature: Row, past: list[Row]) -> None:
    day = feature["day"]

    def within(days: int) -> list[Row]:
        return [r for r in past if r["day"] > day - days]

    def baskets(rows: list[Row]) -> int:
        return len({r["basket_id"] for r in rows})

    assert feature["event_timestamp"] == datetime.fromtimestamp((day + 1) * 86_400, UTC)
    assert feature["created_timestamp"] == max(feature["event_timestamp"], *(r["arrival_time"] for r in past))
    assert feature["orders_count"] == baskets(past)
    assert feature["order_days_count"] == len({r["day"] for r in past})
    assert feature["lines_count"] == len(past)
    assert (feature["first_order_day"], feature["last_order_day"]) == (
        min(r["day"] for r in past),
        max(r["day"] for r in past),
    )
    assert [feature[f"orders_{n}d"] for n in (7, 28, 91)] == [baskets(within(n)) for n in (7, 28, 91)]
    assert [feature[f"spend_cents_{n}d"] for n in (28, 91)] == [
        sum(r["sales_cents"] for r in within(n)) for n in (28, 91)
    ]
    assert feature["discounted_lines_91d"] == sum(map(discounted, within(91)))


def discounted(row: Row) -> bool:
    return any(row[f"{kind}_discount_cents"] > 0 for kind in ("retail", "coupon", "coupon_match"))


def decayed(past: list[Row], day: int, half_life: int) -> float:
    return sum(2 ** (-(day - r["day"]) / half_life) for r in past)


def test_pair_features_equal_plain_python(built: Settings, lines: list[Row]) -> None:
    by_pair, by_customer = defaultdict(list), defaultdict(list)
    for row in lines:
        by_pair[row["customer_id"], row["product_id"]].append(row)
        by_customer[row["customer_id"]].append(row)
    found = rows_of(CUSTOMER_PRODUCT_FEATURES, built)
    assert len(found) == len({(r["customer_id"], r["product_id"], r["day"]) for r in lines})
    for feature in found[::5]:
        day, customer = feature["day"], feature["customer_id"]
        past = [r for r in by_pair[customer, feature["product_id"]] if r["day"] <= day]
        first = min(r["day"] for r in past)
        assert (feature["orders_count"], feature["days_count"]) == (len(past), len({r["day"] for r in past}))
        assert (feature["first_day"], feature["last_day"]) == (first, day)
        assert feature["spend_cents_sum"] == sum(r["sales_cents"] for r in past)
        assert feature["discounted_orders_count"] == sum(map(discounted, past))
        for half_life in (7, 30, 90):
            expected = decayed(past, day, half_life)
            assert math.isclose(feature[f"orders_decayed_{half_life}d"], expected, rel_tol=1e-10)
        before = {r["basket_id"] for r in by_customer[customer] if r["day"] < first}
        until = {r["basket_id"] for r in by_customer[customer] if r["day"] <= day}
        assert feature["customer_orders_before_first"] == len(before)
        assert feature["customer_orders_at_last"] == len(until)


def test_product_features_equal_plain_python(built: Settings, lines: list[Row]) -> None:
    by_product = defaultdict(list)
    for row in lines:
        by_product[row["product_id"]].append(row)
    found = rows_of(PRODUCT_FEATURES, built)
    assert len(found) == len({(r["product_id"], r["day"]) for r in lines})
    for feature in found[::5]:
        past = [r for r in by_product[feature["product_id"]] if r["day"] <= feature["day"]]
        days = defaultdict(set)
        for row in past:
            days[row["customer_id"]].add(row["day"])
        assert feature["orders_count"] == len(past)
        assert feature["buyers_count"] == len(days)
        assert feature["repeat_buyers_count"] == sum(len(d) >= 2 for d in days.values())
        assert math.isclose(feature["orders_decayed_30d"], decayed(past, feature["day"], 30), rel_tol=1e-10)
        assert feature["department_code"] >= 0


def test_copurchase_equals_plain_python(built: Settings, lines: list[Row]) -> None:
    found = rows_of(PRODUCT_COPURCHASE, built)
    assert {datetime.fromtimestamp(r["snapshot_day"] * 86_400, UTC).weekday() for r in found} == {0}
    for snapshot in sorted({r["snapshot_day"] for r in found}):
        baskets = defaultdict(set)
        for row in lines:
            if row["day"] < snapshot:
                baskets[row["basket_id"]].add(row["product_id"])
        expected = neighbours(list(baskets.values()))
        here = [r for r in found if r["snapshot_day"] == snapshot]
        assert {(r["product_id"], r["rank"]): r["neighbour_product_id"] for r in here} == expected


def test_a_minimum_of_copurchase_holds_at_each_snapshot(built: Settings) -> None:
    """Of the pairs with product 5 one has enough at both snapshots, the others only once the first is over."""
    early, late, snapshots = 5, 15, (10, 20)
    bought = [
        *((early, {product}) for product in (2, 3, 5) for _ in range(MIN_ORDERS)),
        *((early, {2, 5}) for _ in range(MIN_JOINT_ORDERS - 1)),
        (late, {2, 5}),
        *((early, {product, 5}) for product in (3, 4, 6) for _ in range(MIN_JOINT_ORDERS)),
        *((late, {product}) for product in (4, 6) for _ in range(MIN_ORDERS - MIN_JOINT_ORDERS)),
    ]
    rows = [(n, product, day) for n, (day, basket) in enumerate(bought) for product in basket]
    products = engine.session(built).createDataFrame(rows, "basket_id BIGINT, product_id BIGINT, day INT")
    found: dict[int, dict[tuple[int, int], int]] = {day: {} for day in snapshots}
    for row in product_copurchase(products, snapshots).collect():
        found[row["snapshot_day"]][row["product_id"], row["rank"]] = row["neighbour_product_id"]
    assert found == {day: neighbours([basket for at, basket in bought if at < day]) for day in snapshots}
    assert set(found[10].values()) == {3, 5}
    assert set(found[20].values()) == {2, 3, 4, 5, 6}


def neighbours(baskets: list[set[int]]) -> dict[tuple[int, int], int]:
    orders: dict[int, int] = defaultdict(int)
    joint: dict[tuple[int, int], int] = defaultdict(int)
    for basket in baskets:
        for product in basket:
            orders[product] += 1
        for left, right in combinations(sorted(basket), 2):
            joint[left, right] += 1
    ranked = defaultdict(list)
    for (left, right), count in joint.items():
        if count >= MIN_JOINT_ORDERS and min(orders[left], orders[right]) >= MIN_ORDERS:
            score = count / math.sqrt(orders[left] * orders[right])
            ranked[left].append((-score, right))
            ranked[right].append((-score, left))
    return {(p, n): other for p, best in ranked.items() for n, (_, other) in enumerate(sorted(best)[:20], start=1)}


def test_the_profile_is_the_last_days_state(built: Settings) -> None:
    last = {r["customer_id"]: r for r in rows_of(CUSTOMER_FEATURES, built) if r["event_date"] == last_day(built)}
    profiles = rows_of(CUSTOMER_PROFILE, built)
    assert {r["customer_id"] for r in profiles} == set(last)
    for profile in profiles:
        feature = last[profile["customer_id"]]
        for name in ("orders_count", "order_days_count", "lines_count", "orders_91d", "spend_cents_91d"):
            assert profile[name] == feature[name]
        assert profile["recency_days"] == feature["day"] + 1 - feature["last_order_day"]
        assert profile["churned_28d"] == (profile["recency_days"] >= 28)


def last_day(settings: Settings) -> date:
    return history().end - timedelta(days=1)


def test_a_rerun_gives_equal_bytes(built: Settings, archive: Path) -> None:
    first = hashes(built)
    run_pipeline(built, history(), archive)
    assert hashes(built) == first


def test_day_by_day_equals_the_full_rebuild(copied: Settings, built: Settings, sail: LocalStack, archive: Path) -> None:
    whole = history()
    cut = whole.end - timedelta(days=3)
    grown = settings_of(sail, "sail", copied.lake.root.parent / "grown")
    run_pipeline(grown, Interval(whole.start, cut), archive)
    for day in (cut, cut + timedelta(days=1), cut + timedelta(days=2)):
        # The reference step would list the same weeks again.
        run_pipeline(grown, Interval(day, day + timedelta(days=1)), archive)
    for table in (TRANSACTION_LINE, *GOLD):
        left, right = (read_table(table, s.lake.root) for s in (built, grown))
        if table is PRODUCT_COPURCHASE:
            continue
        difference = compare(left, right, table.key, 1e-9)
        assert difference.equal, f"{table.name}: {difference}"


def test_b7_repair_folds_late_rows_into_every_later_day_but_not_before_they_arrived(
    copied: Settings, archive: Path
) -> None:
    day = history().start + timedelta(days=10)
    before = {(r["customer_id"], r["day"]): r for r in rows_of(CUSTOMER_FEATURES, copied)}
    write_kafka_rows(copied.lake.root, kafka_day(day))
    run_pipeline(copied, Interval(day, history().end), archive, disable=["reference", "archive"])
    after = {(r["customer_id"], r["day"]): r for r in rows_of(CUSTOMER_FEATURES, copied)}
    at, late_arrival = epoch_day(day), datetime(day.year, day.month, day.day, 18, tzinfo=UTC) + timedelta(days=1)
    orders_before = before[1, at]["orders_count"] if (1, at) in before else 0
    assert after[1, at]["orders_count"] == orders_before + 2
    assert after[1, at]["created_timestamp"] == late_arrival
    assert after[1, at + 5]["created_timestamp"] == after[1, at + 5]["event_timestamp"]
    assert all(after[key] == row for key, row in before.items() if key[0] != 1 or key[1] < at)


@pytest.mark.parametrize(
    ("fault", "column"),
    [("unit", "spend_cents_28d"), ("lost", None), ("skew", "event_timestamp")],
)
def test_a_planted_fault_turns_the_comparison_red(built: Settings, fault: str, column: str | None) -> None:
    good = read_table(CUSTOMER_FEATURES, built.lake.root)
    assert compare(good, good, CUSTOMER_FEATURES.key).equal
    difference = compare(good, planted(good, fault), ("customer_id", "day"), 1e-9)
    assert not difference.equal
    if column:
        assert difference.changed_columns == (column,)
    else:
        assert (difference.only_left, difference.changed) == (1, 0)


def planted(good: pa.Table, fault: str) -> pa.Table:
    if fault == "lost":
        return good.slice(1)
    name = "spend_cents_28d" if fault == "unit" else "event_timestamp"
    if fault == "unit":
        changed = pc.divide(good[name], pa.scalar(100, pa.int64()))
    else:
        changed = pc.add(good[name], pa.scalar(timedelta(hours=1), pa.duration("us"))).cast(good[name].type)
    return good.set_column(good.column_names.index(name), name, changed)
