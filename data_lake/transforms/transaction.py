"""Transactions: decoded baskets to `silver.transaction_line`, joined with the product and the week's promotion."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_lake.transforms.columns import event_fields, identity, lineage

BASKET_FIELDS: Final = (
    ("basket_id", "bigint"),
    ("customer_id", "bigint"),
    ("store_id", "bigint"),
    ("channel", "string"),
)
LINE_FIELDS: Final = (
    ("line_number", "int"),
    ("product_id", "bigint"),
    ("quantity", "bigint"),
    ("sales_cents", "bigint"),
    ("retail_discount_cents", "bigint"),
    ("coupon_discount_cents", "bigint"),
    ("coupon_match_discount_cents", "bigint"),
)
PRODUCT_COLUMNS: Final = ("department", "brand", "product_category")
PROMOTION_COLUMNS: Final = ("display_location", "mailer_location")

# The shop's week turns on Monday at 05:00 UTC (midnight in the stores), so shifted by this much it is a calendar week.
SHOP_DAY_STARTS: Final = "INTERVAL 5 HOURS"


def transform(accepted: DataFrame, products: DataFrame | None, promotions: DataFrame | None) -> DataFrame:
    """Rows of `silver.transaction_line`.

    Grain: basket_id x line_number. Units: cents, UTC. `products` is silver.product and `promotions` silver.promotion; a
    missing one, or a product or promotion that is not listed, leaves nulls: a sale is never dropped for its dimensions.
    """
    lines = _lines(accepted)
    return _with_promotion(_with_product(lines, products), promotions).select(
        *identity(),
        *(name for name, _ in (*BASKET_FIELDS, *LINE_FIELDS)),
        *PRODUCT_COLUMNS,
        *PROMOTION_COLUMNS,
        "arrival_time",
        "event_date",
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "payload_sha256",
    )


def promotion_week(event_time: Column) -> Column:
    """The Monday (date) of the shop week in which an instant falls."""
    return F.date_trunc("week", event_time - F.expr(SHOP_DAY_STARTS)).cast("date")


def _lines(accepted: DataFrame) -> DataFrame:
    baskets = accepted.select(
        *identity(), *event_fields(BASKET_FIELDS), *lineage(), F.explode("event.lines").alias("line")
    )
    fields = [F.col(f"line.{name}").cast(kind).alias(name) for name, kind in LINE_FIELDS]
    return baskets.select("*", *fields).drop("line")


def _with_product(lines: DataFrame, products: DataFrame | None) -> DataFrame:
    if products is None:
        return _with_nulls(lines, PRODUCT_COLUMNS)
    return lines.join(F.broadcast(products.select("product_id", *PRODUCT_COLUMNS)), on="product_id", how="left")


def _with_promotion(lines: DataFrame, promotions: DataFrame | None) -> DataFrame:
    if promotions is None:
        return _with_nulls(lines, PROMOTION_COLUMNS)
    key = ["product_id", "store_id", "week_start"]
    dated = lines.withColumn("week_start", promotion_week(F.col("event_time")))
    return dated.join(promotions.select(*key, *PROMOTION_COLUMNS), on=key, how="left")


def _with_nulls(frame: DataFrame, names: tuple[str, ...]) -> DataFrame:
    return frame.withColumns({name: F.lit(None).cast("string") for name in names})
