"""Customers as of the close of each day, and what is known of each of them at the end of the interval.

Source: the formulas stand in feature_store/features.yaml.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from batch_processing.transforms.stamps import close_of, created, date_of, midnight

LONGEST_WINDOW_DAYS: Final = 91
CHURN_DAYS: Final = 28
_COUNTS: Final = ("orders", "order_days", "lines", "spend_cents", "discounted_lines")
_HISTORY: Final = Window.partitionBy("customer_id").orderBy("day")


def customer_features(daily: DataFrame, start_day: int, end_day: int) -> DataFrame:
    """Rows of gold.customer_features for the epoch days [start_day, end_day), from the whole gold.daily_customer.

    Grain: customer_id x day, from the customer's first order on. A window of N days is the difference of two running
    sums on a dense grid of days, so it costs the same for 7 days as for 91. Days before the longest window fold into
    one opening row: an incremental day reads the prior state and builds a grid of 92 days, not of the year.
    """
    grid = _grid(_with_opening(daily.where(F.col("day") < end_day), start_day), end_day)
    running = Window.partitionBy("customer_id").orderBy("day").rowsBetween(Window.unboundedPreceding, 0)
    state = grid.select(
        "customer_id",
        "day",
        *(F.sum(F.coalesce(F.col(name), F.lit(0))).over(running).alias(name) for name in _COUNTS),
        F.min("first_day").over(running).alias("first_order_day"),
        F.max("last_day").over(running).alias("last_order_day"),
        F.max("arrival_time").over(running).alias("last_arrival"),
    )
    windows = state.withColumns(
        {
            "orders_7d": _last(7, "orders"),
            "orders_28d": _last(28, "orders"),
            "orders_91d": _last(91, "orders"),
            "spend_cents_28d": _last(28, "spend_cents"),
            "spend_cents_91d": _last(91, "spend_cents"),
            "lines_91d": _last(91, "lines"),
            "discounted_lines_91d": _last(91, "discounted_lines"),
        }
    )
    return _customer_columns(windows.where(F.col("day") >= start_day))


def customer_profile(daily: DataFrame, products: DataFrame, end_day: int) -> DataFrame:
    """Rows of gold.customer_profile: the state at the midnight that begins `end_day`.

    Grain: customer_id. Units: cents, days. `products` is `basket_products` of the lines before `end_day`. A favourite
    is the store or department with most spend, then the smaller name. `churned_28d`: no order for 28 days or longer.
    """
    state = _profile_state(daily.where(F.col("day") < end_day), end_day)
    stores = _favourite(products, "store_id").alias("store")
    departments = _favourite(products, "department").alias("department")
    joined = state.join(stores, on="customer_id", how="left").join(departments, on="customer_id", how="left")
    recency = F.lit(end_day) - F.col("last_order_day")
    stamp = midnight(F.lit(end_day))
    return joined.select(
        "customer_id",
        F.lit(end_day).cast("int").alias("as_of_day"),
        "first_order_day",
        "last_order_day",
        recency.cast("int").alias("recency_days"),
        (F.lit(end_day) - F.col("first_order_day")).cast("int").alias("tenure_days"),
        F.col("orders_count").cast("int"),
        F.col("order_days_count").cast("int"),
        "lines_count",
        "spend_cents",
        "spend_cents_91d",
        F.col("orders_91d").cast("int"),
        _ratio(F.col("last_order_day") - F.col("first_order_day"), F.col("order_days_count") - 1).alias(
            "interval_days_mean"
        ),
        _ratio(F.col("lines_count"), F.col("orders_count")).alias("basket_lines_mean"),
        _ratio(F.col("spend_cents"), F.col("orders_count")).alias("basket_spend_cents_mean"),
        _ratio(F.col("discounted_lines_count"), F.col("lines_count")).alias("discount_ratio"),
        F.col("favourite_store_id").cast("bigint"),
        "favourite_department",
        (recency >= CHURN_DAYS).alias("churned_28d"),
        stamp.alias("event_timestamp"),
        created(stamp, F.col("last_arrival")).alias("created_timestamp"),
    )


def _with_opening(daily: DataFrame, start_day: int) -> DataFrame:
    """A customer's days with orders; all that lie before the longest window are one row on the day before it."""
    opening_day = start_day - LONGEST_WINDOW_DAYS - 1
    return (
        daily.withColumn("slot", F.greatest(F.col("day"), F.lit(opening_day)))
        .groupBy("customer_id", "slot")
        .agg(
            F.sum("orders_count").alias("orders"),
            F.count("*").alias("order_days"),
            F.sum("lines_count").alias("lines"),
            F.sum("spend_cents").alias("spend_cents"),
            F.sum("discounted_lines_count").alias("discounted_lines"),
            F.min("day").alias("first_day"),
            F.max("day").alias("last_day"),
            F.max("last_arrival_time").alias("arrival_time"),
        )
        .withColumnRenamed("slot", "day")
    )


def _grid(days: DataFrame, end_day: int) -> DataFrame:
    span = days.groupBy("customer_id").agg(F.min("day").alias("from_day"))
    every_day = F.explode(F.sequence(F.col("from_day"), F.lit(end_day - 1))).alias("day")
    return span.select("customer_id", every_day).join(days, on=["customer_id", "day"], how="left")


def _last(days: int, name: str) -> Column:
    return F.col(name) - F.lag(name, days, 0).over(_HISTORY)


def _customer_columns(windows: DataFrame) -> DataFrame:
    stamp = close_of(F.col("day"))
    return windows.select(
        "customer_id",
        F.col("day").cast("int"),
        F.col("first_order_day").cast("int"),
        F.col("last_order_day").cast("int"),
        F.col("orders").cast("int").alias("orders_count"),
        F.col("order_days").cast("int").alias("order_days_count"),
        F.col("lines").cast("bigint").alias("lines_count"),
        *(F.col(f"orders_{n}d").cast("int") for n in (7, 28, 91)),
        *(F.col(f"spend_cents_{n}d").cast("bigint") for n in (28, 91)),
        F.col("lines_91d").cast("int"),
        F.col("discounted_lines_91d").cast("int"),
        date_of(F.col("day")).alias("event_date"),
        stamp.alias("event_timestamp"),
        created(stamp, F.col("last_arrival")).alias("created_timestamp"),
    )


def _profile_state(daily: DataFrame, end_day: int) -> DataFrame:
    recent = F.col("day") >= end_day - LONGEST_WINDOW_DAYS
    return daily.groupBy("customer_id").agg(
        F.min("day").alias("first_order_day"),
        F.max("day").alias("last_order_day"),
        F.sum("orders_count").alias("orders_count"),
        F.count("*").alias("order_days_count"),
        F.sum("lines_count").alias("lines_count"),
        F.sum("discounted_lines_count").alias("discounted_lines_count"),
        F.sum("spend_cents").alias("spend_cents"),
        F.sum(F.when(recent, F.col("spend_cents")).otherwise(0)).alias("spend_cents_91d"),
        F.sum(F.when(recent, F.col("orders_count")).otherwise(0)).alias("orders_91d"),
        F.max("last_arrival_time").alias("last_arrival"),
    )


def _favourite(products: DataFrame, name: str) -> DataFrame:
    spend = products.groupBy("customer_id", name).agg(F.sum("spend_cents").alias("spend_cents"))
    by_spend = Window.partitionBy("customer_id").orderBy(F.desc("spend_cents"), F.asc_nulls_last(name))
    best = spend.withColumn("place", F.row_number().over(by_spend)).where(F.col("place") == 1)
    label = "favourite_store_id" if name == "store_id" else f"favourite_{name}"
    return best.select("customer_id", F.col(name).alias(label))


def _ratio(numerator: Column, denominator: Column) -> Column:
    """Null where there is nothing to divide by."""
    return F.when(denominator > 0, numerator.cast("double") / denominator.cast("double"))
