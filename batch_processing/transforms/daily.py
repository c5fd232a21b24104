"""Daily aggregates: a customer's day, a product's day at the till, a product's day on the site."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def daily_customer(products: DataFrame) -> DataFrame:
    """Rows of gold.daily_customer. Grain: customer_id x event_date. Units: cents, UTC."""
    return (
        products.groupBy("customer_id", "event_date", "day")
        .agg(
            F.count_distinct("basket_id").cast("int").alias("orders_count"),
            F.count("*").alias("lines_count"),
            F.sum("discounted").cast("bigint").alias("discounted_lines_count"),
            *_sums(),
            F.count_distinct("product_id").alias("products_count"),
            F.count_distinct("store_id").cast("int").alias("stores_count"),
            F.max("event_time").alias("last_event_time"),
            F.max("arrival_time").alias("last_arrival_time"),
        )
        .select(
            "customer_id",
            "event_date",
            "day",
            "orders_count",
            "lines_count",
            "discounted_lines_count",
            "quantity_sum",
            "spend_cents",
            "discount_cents",
            "products_count",
            "stores_count",
            "last_event_time",
            "last_arrival_time",
        )
    )


def daily_product_sales(products: DataFrame) -> DataFrame:
    """Rows of gold.daily_product_sales. Grain: product_id x event_date. Units: cents, UTC."""
    return (
        products.groupBy("product_id", "event_date", "day")
        .agg(
            F.count("*").alias("orders_count"),
            F.count_distinct("customer_id").alias("customers_count"),
            *_sums(),
            F.sum("discounted").cast("bigint").alias("discounted_orders_count"),
            F.max("arrival_time").alias("last_arrival_time"),
        )
        .select(
            "product_id",
            "event_date",
            "day",
            "orders_count",
            "customers_count",
            "quantity_sum",
            "spend_cents",
            "discount_cents",
            "discounted_orders_count",
            "last_arrival_time",
        )
    )


def daily_product_views(clicks: DataFrame) -> DataFrame:
    """Rows of gold.daily_product_views. Grain: product_id x event_date; clicks on no product (a search) stay out."""
    return (
        clicks.where(F.col("product_id").isNotNull())
        .groupBy("product_id", "event_date")
        .agg(
            F.unix_date("event_date").alias("day"),
            _count_of("impression").alias("impressions_count"),
            _count_of("view").alias("views_count"),
            _count_of("add").alias("adds_count"),
            _count_of("remove").alias("removes_count"),
            F.count_distinct("session_id").alias("sessions_count"),
            F.count_distinct("customer_id").alias("customers_count"),
            F.max("arrival_time").alias("last_arrival_time"),
        )
        .select(
            "product_id",
            "event_date",
            "day",
            "impressions_count",
            "views_count",
            "adds_count",
            "removes_count",
            "sessions_count",
            "customers_count",
            "last_arrival_time",
        )
    )


def _sums() -> list[Column]:
    return [
        F.sum("quantity").alias("quantity_sum"),
        F.sum("spend_cents").alias("spend_cents"),
        F.sum("discount_cents").alias("discount_cents"),
    ]


def _count_of(action: str) -> Column:
    return F.sum(F.when(F.col("action") == action, 1).otherwise(0)).cast("bigint")
