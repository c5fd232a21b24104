"""What every gold table starts from: a product in a basket."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def basket_products(lines: DataFrame) -> DataFrame:
    """The products of each basket, from silver.transaction_line.

    Grain: basket_id x product_id (a product that a basket lists twice is one row). Units: cents, UTC epoch days;
    `discounted` is 1 when any discount touched the product, else 0.
    """
    discount = F.col("retail_discount_cents") + F.col("coupon_discount_cents") + F.col("coupon_match_discount_cents")
    marked = lines.withColumn("discount_cents", discount).withColumn(
        "discounted", F.when(F.col("discount_cents") > 0, 1).otherwise(0)
    )
    return marked.groupBy("basket_id", "product_id", "customer_id", "store_id", "event_date").agg(
        F.unix_date("event_date").alias("day"),
        F.max("department").alias("department"),
        F.sum("quantity").alias("quantity"),
        F.sum("sales_cents").alias("spend_cents"),
        F.sum("discount_cents").alias("discount_cents"),
        F.max("discounted").alias("discounted"),
        F.max("event_time").alias("event_time"),
        F.max("arrival_time").alias("arrival_time"),
    )
