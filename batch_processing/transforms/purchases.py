"""State on change: a new row for each day on which a customer bought a product, or anybody did.

A row holds everything up to and with its day; a reader moves decayed sums to its own day by 2^(-(t - day) / half-life).
Source: the formulas stand in feature_store/features.yaml.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from batch_processing.transforms.stamps import close_of, created, date_of

HALF_LIVES_DAYS: Final = (7, 30, 90)
# Decayed orders are added up as whole multiples of 2^-40: integers add to the same bits in any order, on any engine and
# for any interval. Every row holds at least one order of its own day, so the rounding stays below 1e-11 of the value.
_UNIT: Final = float(2**40)
BASE_DAY: Final = 20_000  # 2024-10-04


def pair_days(products: DataFrame) -> DataFrame:
    """What a customer bought of a product on a day.

    Grain: customer_id x product_id x day. `products` is `basket_products` of the whole history of the pairs.
    """
    return products.groupBy("customer_id", "product_id", "day").agg(
        F.count("*").alias("orders"),
        F.sum("quantity").alias("quantity"),
        F.sum("spend_cents").alias("spend_cents"),
        F.sum("discounted").alias("discounted_orders"),
    )


def customer_product_features(pairs: DataFrame, daily_customer: DataFrame, start_day: int) -> DataFrame:
    """Rows of gold.customer_product_features for the days from `start_day` on.

    Grain: customer_id x product_id x day of purchase. `pairs` is `pair_days`. `daily_customer` is the whole
    gold.daily_customer up to the last day: it says how many baskets the customer had before the first purchase and at
    this one. Each day is joined with the pair's days up to it: a pair has 1.6 days on average, and a window over
    870,000 such small groups takes seven times as long.
    """
    dated = pairs.join(_customer_orders(daily_customer), on=["customer_id", "day"], how="inner")
    days = dated.where(F.col("day") >= start_day).select(
        "customer_id", "product_id", F.col("day").alias("at_day"), "customer_orders", "customer_arrival"
    )
    past = days.join(dated.drop("customer_orders", "customer_arrival"), on=["customer_id", "product_id"], how="inner")
    age = F.col("at_day") - F.col("day")
    return _pair_columns(
        past.where(age >= 0)
        .groupBy("customer_id", "product_id", F.col("at_day").alias("day"))
        .agg(
            F.sum("orders").alias("orders_count"),
            F.count("*").alias("days_count"),
            F.min("day").alias("first_day"),
            F.sum("quantity").alias("quantity_sum"),
            F.sum("spend_cents").alias("spend_cents_sum"),
            F.sum("discounted_orders").alias("discounted_orders_count"),
            *(F.sum(_units(F.col("orders"), age, n)).alias(f"orders_decayed_{n}d") for n in HALF_LIVES_DAYS),
            F.min("customer_orders_before").alias("customer_orders_before_first"),
            F.max("customer_orders").alias("customer_orders_at_last"),
            F.max("customer_arrival").alias("last_arrival"),
        )
    )


def product_features(sales: DataFrame, pair_features: DataFrame, codes: DataFrame) -> DataFrame:
    """Rows of gold.product_features.

    Grain: product_id x day on which anybody bought it. `sales` is the whole gold.daily_product_sales of the products in
    question and `pair_features` their gold.customer_product_features; `codes` is `product_codes`; a product that the
    dimension does not list has code 0.
    """
    running = Window.partitionBy("product_id").orderBy("day").rowsBetween(Window.unboundedPreceding, 0)
    days = sales.join(_new_buyers(pair_features), on=["product_id", "day"], how="inner")
    state = days.select(
        "product_id",
        "day",
        F.min("day").over(running).cast("int").alias("first_day"),
        F.sum("orders_count").over(running).cast("bigint").alias("orders_count"),
        *(_running_decay(n, running).alias(f"orders_decayed_{n}d") for n in HALF_LIVES_DAYS),
        F.sum("new_buyers").over(running).cast("int").alias("buyers_count"),
        F.sum("new_repeat_buyers").over(running).cast("int").alias("repeat_buyers_count"),
        F.sum("quantity_sum").over(running).cast("bigint").alias("quantity_sum"),
        F.sum("spend_cents").over(running).cast("bigint").alias("spend_cents_sum"),
        F.sum("discounted_orders_count").over(running).cast("bigint").alias("discounted_orders_count"),
        F.max("last_arrival_time").over(running).alias("last_arrival"),
    )
    return _product_columns(state.join(F.broadcast(codes), on="product_id", how="left"))


CODE_OF: Final = {
    "department": "department_code",
    "product_category": "category_code",
    "product_type": "type_code",
}


def product_codes(dimension: DataFrame) -> DataFrame:
    """Codes of the product dimension: the rank of a text among all texts (bytes ascending, null as ''), from 1.

    Grain: product_id. Taken over the whole dimension, so that a code does not move from day to day.
    """
    coded = dimension.select("product_id", "brand", *(F.coalesce(F.col(n), F.lit("")).alias(n) for n in CODE_OF))
    for name, code in CODE_OF.items():
        ranked = (
            coded.select(name)
            .distinct()
            .withColumn(code, F.row_number().over(Window.partitionBy(F.lit(0)).orderBy(name)))
        )
        coded = coded.join(F.broadcast(ranked), on=name, how="inner")
    private = F.when(F.col("brand") == "Private", 1).otherwise(0)
    return coded.select("product_id", *CODE_OF.values(), private.alias("brand_private_code"))


def _customer_orders(daily_customer: DataFrame) -> DataFrame:
    """Baskets of a customer before and up to each of its days. Grain: customer_id x day."""
    running = Window.partitionBy("customer_id").orderBy("day").rowsBetween(Window.unboundedPreceding, 0)
    total = F.sum("orders_count").over(running)
    return daily_customer.select(
        "customer_id",
        "day",
        total.alias("customer_orders"),
        (total - F.col("orders_count")).alias("customer_orders_before"),
        F.max("last_arrival_time").over(running).alias("customer_arrival"),
    )


def _new_buyers(pair_features: DataFrame) -> DataFrame:
    """Customers who bought a product for the first and for the second time (day) on a day. Grain: product_id x day."""
    return pair_features.groupBy("product_id", "day").agg(
        F.sum(F.when(F.col("days_count") == 1, 1).otherwise(0)).alias("new_buyers"),
        F.sum(F.when(F.col("days_count") == 2, 1).otherwise(0)).alias("new_repeat_buyers"),
    )


def _units(orders: Column, age_days: Column, half_life_days: int) -> Column:
    """Orders weighted by 2^(-age / half-life), in units of 2^-40."""
    weight = F.pow(F.lit(2.0), -age_days / F.lit(float(half_life_days)))
    return F.round(orders * weight * F.lit(_UNIT)).cast("bigint")


def _running_decay(half_life_days: int, running: WindowSpec) -> Column:
    """The running decayed sum of a product's orders: powers relative to a fixed day, added up in the order of days.

    Doubles hold 2^(+-1023): with the shortest half-life that is 19 years on either side of the base day.
    """
    age = (F.col("day") - BASE_DAY) / F.lit(float(half_life_days))
    return F.sum(F.col("orders_count") * F.pow(F.lit(2.0), age)).over(running) * F.pow(F.lit(2.0), -age)


def _pair_columns(state: DataFrame) -> DataFrame:
    return state.select(
        "customer_id",
        "product_id",
        F.col("day").cast("int"),
        F.col("orders_count").cast("int"),
        F.col("days_count").cast("int"),
        F.col("first_day").cast("int"),
        F.col("day").cast("int").alias("last_day"),
        F.col("quantity_sum").cast("bigint"),
        F.col("spend_cents_sum").cast("bigint"),
        F.col("discounted_orders_count").cast("int"),
        *((F.col(f"orders_decayed_{n}d") / F.lit(_UNIT)).alias(f"orders_decayed_{n}d") for n in HALF_LIVES_DAYS),
        F.col("customer_orders_before_first").cast("int"),
        F.col("customer_orders_at_last").cast("int"),
        *_stamps(),
    )


def _product_columns(state: DataFrame) -> DataFrame:
    return state.select(
        "product_id",
        F.col("day").cast("int"),
        "first_day",
        F.col("day").cast("int").alias("last_day"),
        "orders_count",
        *(f"orders_decayed_{n}d" for n in HALF_LIVES_DAYS),
        "buyers_count",
        "repeat_buyers_count",
        "quantity_sum",
        "spend_cents_sum",
        "discounted_orders_count",
        *(F.coalesce(F.col(name), F.lit(0)).cast("smallint").alias(name) for name in CODE_OF.values()),
        F.coalesce(F.col("brand_private_code"), F.lit(0)).cast("tinyint").alias("brand_private_code"),
        *_stamps(),
    )


def _stamps() -> list[Column]:
    stamp = close_of(F.col("day"))
    return [
        date_of(F.col("day")).alias("event_date"),
        stamp.alias("event_timestamp"),
        created(stamp, F.col("last_arrival")).alias("created_timestamp"),
    ]
