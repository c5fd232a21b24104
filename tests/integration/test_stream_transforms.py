"""The shared transforms on Sail; test_stream_into_lake.py runs the same cases on Apache Spark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.topics_names import CLICK, INVENTORY, PAYMENT, RECOMMENDATION_DECISION
from data_lake.transforms import click, fates, inventory, payment, recommendation, refused, transaction
from data_lake.transforms.bronze import BRONZE_DDL
from data_lake.transforms.decode import decode, judge
from shared_utils.local_stack import LocalStack
from tests.fakes.fate_cases import (
    BOUGHT,
    NOON,
    STORE,
    Case,
    click_cases,
    encoded,
    event_id,
    transaction_cases,
)
from tests.fakes.fate_cases import click as a_click
from tests.fakes.fate_cases import payment as a_payment

pytestmark = pytest.mark.integration

LATENESS = 7_200


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    with LocalStack(tmp_path_factory.mktemp("sail"), ["sail"]) as stack:
        session = SparkSession.builder.remote(f"sc://{stack.address('sail')}").getOrCreate()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        yield session
        session.stop()


def bronze(spark: SparkSession, cases: Sequence[Case], *, partition: int = 0, first_offset: int = 0) -> DataFrame:
    """Bronze rows of the cases, at consecutive offsets."""
    rows = [
        (
            case.topic,
            partition,
            first_offset + n,
            "1",
            bytearray(case.value) if case.value is not None else None,
            [("schema_version", bytearray(b"1"))],
            case.arrival,
            case.arrival,
            "kafka",
            case.arrival.date(),
        )
        for n, case in enumerate(cases)
    ]
    return spark.createDataFrame(rows, BRONZE_DDL)


def fated(spark: SparkSession, cases: Sequence[Case], known: DataFrame | None = None, **at: int) -> DataFrame:
    judged = judge(bronze(spark, cases, **at), cases[0].topic)
    return fates.assign_fates(judged, known, allowed_lateness_seconds=LATENESS)


def by_offset(frame: DataFrame) -> dict[int, str]:
    """Fates as the cases write them."""
    rows = frame.select("offset", "fate", "reason").collect()
    return {row["offset"]: ":".join(filter(None, (row["fate"], row["reason"]))) for row in rows}


def expected(cases: Sequence[Case], first_offset: int = 0) -> dict[int, str]:
    return {first_offset + n: case.fate for n, case in enumerate(cases)}


def rows_of(frame: DataFrame) -> list[dict[str, Any]]:
    """Rows with their instants in UTC: the client gives them as naive local time."""
    rows = [row.asDict(recursive=True) for row in frame.collect()]
    return [{name: v.astimezone(UTC) if isinstance(v, datetime) else v for name, v in row.items()} for row in rows]


@pytest.mark.parametrize("cases", [click_cases(), transaction_cases()], ids=["click", "transaction"])
def test_every_row_gets_its_fate(spark: SparkSession, cases: list[Case]) -> None:
    assert by_offset(fated(spark, cases)) == expected(cases)


def test_decode_parts_every_row_to_exactly_one_side(spark: SparkSession) -> None:
    cases = click_cases()
    split = decode(bronze(spark, cases), CLICK)
    accepted = {row["offset"] for row in split.accepted.select("offset").collect()}
    rejected = {row["offset"] for row in split.rejected.select("offset").collect()}
    assert accepted.isdisjoint(rejected)
    assert accepted | rejected == set(range(len(cases)))
    # Decode knows no other rows, so that a conflict of ids is none of its business.
    refused_alone = {n for n, case in enumerate(cases) if "quarantine" in case.fate and "CONFLICT" not in case.fate}
    assert rejected == refused_alone


def test_a_replayed_batch_gives_the_same_fates_though_silver_has_its_rows(spark: SparkSession) -> None:
    cases = click_cases()
    first = fated(spark, cases)
    silver = click.transform(fates.of_fate(first, fates.SILVER))
    late = refused.late_event(fates.of_fate(first, fates.LATE))
    for in_silver, in_late in ((silver, None), (None, late), (silver, late)):
        known = fates.known_events(in_silver, in_late, CLICK, first_arrival=NOON.date(), horizon_days=30)
        again = fated(spark, cases, known)
        assert by_offset(again) == expected(cases)
        marked = again.filter(F.col("settled_in").isNotNull()).count()
        assert marked == sum(table.count() for table in (in_silver, in_late) if table is not None)


def test_a_later_batch_is_judged_by_what_came_first(spark: SparkSession) -> None:
    first = fated(spark, click_cases())
    known = fates.known_events(
        click.transform(fates.of_fate(first, fates.SILVER)),
        refused.late_event(fates.of_fate(first, fates.LATE)),
        CLICK,
        first_arrival=NOON.date(),
        horizon_days=30,
    )
    soon = NOON + timedelta(minutes=5)
    later = [
        Case(CLICK, encoded(a_click(1)), soon, "duplicate"),
        Case(CLICK, encoded(a_click(2)), soon, "quarantine:ID_CONFLICT"),
        # An earlier arrival time does not help: what is settled stays first.
        Case(CLICK, encoded(a_click(6, product_id=5)), NOON, "quarantine:ID_CONFLICT"),
        Case(CLICK, encoded(a_click(8)), soon, "duplicate"),
        Case(CLICK, encoded(a_click(20)), soon, "silver"),
    ]
    assert by_offset(fated(spark, later, known, first_offset=100)) == expected(later, 100)


def test_ids_are_looked_up_only_within_the_horizon_and_the_topic(spark: SparkSession) -> None:
    first = fated(spark, click_cases())
    silver = click.transform(fates.of_fate(first, fates.SILVER))
    late = refused.late_event(fates.of_fate(first, fates.LATE))
    far = fates.known_events(silver, None, CLICK, first_arrival=date(2026, 12, 3), horizon_days=30)
    assert far is not None
    assert far.count() == 0
    other = fates.known_events(None, late, PAYMENT, first_arrival=NOON.date(), horizon_days=30)
    assert other is not None
    assert other.count() == 0
    assert fates.known_events(None, None, CLICK, first_arrival=NOON.date(), horizon_days=30) is None


def test_a_click_is_typed(spark: SparkSession) -> None:
    when = datetime(2026, 11, 2, 23, 59, 59, 999_000, tzinfo=UTC)
    case = Case(CLICK, encoded(a_click(1, when)), when + timedelta(seconds=2), "silver")
    (row,) = rows_of(click.transform(fates.of_fate(fated(spark, [case]), fates.SILVER)))
    sha256 = row.pop("payload_sha256")
    assert len(sha256) == 64
    assert row == {
        "event_id": event_id(1),
        "event_time": when,
        "session_id": "s-1",
        "customer_id": 1,
        "action": "view",
        "product_id": BOUGHT,
        "position": None,
        "query": None,
        "basket_id": None,
        "page": "product",
        "device_type": "mobile",
        "arrival_time": when + timedelta(seconds=2),
        "event_date": date(2026, 11, 2),
        "kafka_topic": CLICK,
        "kafka_partition": 0,
        "kafka_offset": 0,
    }


def test_lines_take_product_and_promotion_of_their_shop_week(spark: SparkSession) -> None:
    products = spark.createDataFrame(
        [(BOUGHT, "GROCERY", "National", "COLD CEREAL")],
        "product_id bigint, department string, brand string, product_category string",
    )
    promotions = spark.createDataFrame(
        [(BOUGHT, STORE, date(2026, 11, 2), "1", "A"), (BOUGHT, STORE, date(2026, 10, 26), "2", "0")],
        "product_id bigint, store_id bigint, week_start date, display_location string, mailer_location string",
    )
    accepted = fates.of_fate(fated(spark, transaction_cases()), fates.SILVER)
    lines = rows_of(transaction.transform(accepted, products, promotions))
    found = {
        (line["basket_id"], line["line_number"]): (line["department"], line["display_location"], line["sales_cents"])
        for line in lines
    }
    assert found == {
        (101, 1): ("GROCERY", "1", 250),
        (101, 2): (None, None, 100),
        (103, 1): ("GROCERY", "2", 250),
        (103, 2): (None, None, 100),
    }


def test_a_sale_is_not_dropped_for_lack_of_dimensions(spark: SparkSession) -> None:
    accepted = fates.of_fate(fated(spark, transaction_cases()), fates.SILVER)
    bare = transaction.transform(accepted, None, None)
    assert bare.count() == 4
    assert {row["brand"] for row in bare.collect()} == {None}
    assert bare.columns[-1] == "payload_sha256"


def test_payment_inventory_and_decision_are_typed(spark: SparkSession) -> None:
    soon = NOON + timedelta(seconds=1)
    stock = {"event_id": event_id(1), "event_time": "2026-11-02T12:00:00.000Z", "product_id": BOUGHT}
    stock_event = {**stock, "on_hand": 12, "change": -3, "reason": "sale"}
    (paid,) = rows_of(payment.transform(fated(spark, [Case(PAYMENT, encoded(a_payment(1)), soon, "silver")])))
    (counted,) = rows_of(inventory.transform(fated(spark, [Case(INVENTORY, encoded(stock_event), soon, "silver")])))
    served = Case(RECOMMENDATION_DECISION, encoded(decision()), soon, "silver")
    (decided,) = rows_of(recommendation.transform(fated(spark, [served])))
    assert (paid["attempt"], paid["amount_cents"], paid["decline_reason"]) == (1, 350, None)
    assert (counted["on_hand"], counted["change"], counted["reason"]) == (12, -3, "sale")
    assert decided["features_as_of"] == datetime(2026, 11, 2, tzinfo=UTC)
    assert (decided["live_as_of"], decided["live_event_id"]) == (datetime(2026, 11, 2, 12, tzinfo=UTC), event_id(2))
    assert decided["items"] == [
        {"product_id": BOUGHT, "rank": 1, "score": 0.5, "source": "repeat", "features": [1.0, 0.25]}
    ]


def decision() -> dict[str, Any]:
    """A valid decision with one item."""
    return {
        "event_id": event_id(1),
        "event_time": "2026-11-02T12:00:00.000Z",
        "request_id": "r-1",
        "customer_id": 1,
        "model_name": "recommender",
        "model_version": "3",
        "feature_set": "recommender_v1",
        "features_as_of": "2026-11-02T00:00:00.000Z",
        "feature_age_seconds": 43_200.0,
        "live_as_of": "2026-11-02T12:00:00.000Z",
        "live_event_id": event_id(2),
        "degraded": False,
        "degraded_reasons": [],
        "latency_ms": 3.5,
        "feature_names": ["a", "b"],
        "items": [{"product_id": BOUGHT, "rank": 1, "score": 0.5, "source": "repeat", "features": [1.0, 0.25]}],
    }
