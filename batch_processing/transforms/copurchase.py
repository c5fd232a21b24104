"""Products that land in the same baskets, ranked by cosine, one snapshot a Monday."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from batch_processing.transforms.stamps import midnight

MIN_ORDERS: Final = 20
MIN_JOINT_ORDERS: Final = 3
NEIGHBOURS: Final = 20
_FIRST_MONDAY: Final = 4  # 1970-01-05
_WEEK: Final = 7


def snapshot_days(start_day: int, end_day: int) -> list[int]:
    """The Mondays in (start_day, end_day], ascending; a snapshot holds the baskets before its midnight."""
    first = start_day + 1 + (_FIRST_MONDAY - start_day - 1) % _WEEK
    return list(range(first, end_day + 1, _WEEK))


def product_copurchase(products: DataFrame, snapshots: Sequence[int]) -> DataFrame:
    """Rows of gold.product_copurchase for the given snapshot days (ascending).

    Grain: snapshot_day x product_id x rank (1..20). Products with at least 20 baskets before the snapshot, pairs with
    at least 3 joint ones; score = joint / sqrt(orders x neighbour's orders); ties go to the smaller neighbour.
    """
    known = products.where(F.col("day") < snapshots[-1]).select(
        "basket_id", "product_id", _first_snapshot(snapshots).alias("slot")
    )
    slots = range(len(snapshots))
    orders = known.groupBy("product_id").agg(*_counts(slots)).where(F.col(_at(slots[-1])) >= MIN_ORDERS)
    ranked = _each_direction(_scores(_joint_orders(known, orders, slots), orders, slots), slots)
    ranked = ranked.withColumn("rank", F.row_number().over(_best_first()))
    day = F.element_at(F.array(*(F.lit(day) for day in snapshots)), (F.col("slot") + 1).cast("int"))
    return ranked.where(F.col("rank") <= NEIGHBOURS).select(
        "product_id",
        "neighbour_product_id",
        F.col("rank").cast("smallint"),
        F.col("score").cast("float"),
        day.cast("int").alias("snapshot_day"),
        midnight(day).alias("event_timestamp"),
    )


def _first_snapshot(snapshots: Sequence[int]) -> Column:
    """The place of the first snapshot that holds the row's day."""
    place = F.lit(len(snapshots) - 1)
    for index in range(len(snapshots) - 2, -1, -1):
        place = F.when(F.col("day") < snapshots[index], index).otherwise(place)
    return place


def _joint_orders(known: DataFrame, orders: DataFrame, slots: range) -> DataFrame:
    """Joint baskets, at each snapshot, of each pair (left < right) that has enough of them at the last one.

    Nine of ten pairs never reach the minimum: they are dropped on one plain count before anything is kept by snapshot.
    """
    together = _together(known.join(F.broadcast(orders.select("product_id")), "product_id", "left_semi"))
    pair = ["left_id", "right_id"]
    enough = together.groupBy(*pair).agg(F.count("*").alias("joint")).where(F.col("joint") >= MIN_JOINT_ORDERS)
    return together.join(enough.select(*pair), on=pair, how="left_semi").groupBy(*pair).agg(*_counts(slots))


def _together(frequent: DataFrame) -> DataFrame:
    left = frequent.withColumnRenamed("product_id", "left_id")
    right = frequent.select("basket_id", F.col("product_id").alias("right_id"))
    return left.join(right, on="basket_id", how="inner").where(F.col("left_id") < F.col("right_id"))


def _at(slot: int) -> str:
    return f"at_{slot}"


def _counts(slots: range) -> list[Column]:
    """Rows known at each snapshot: those whose first snapshot is that one or an earlier one."""
    return [F.sum(F.when(F.col("slot") <= slot, 1).otherwise(0)).alias(_at(slot)) for slot in slots]


def _scores(joint: DataFrame, orders: DataFrame, slots: range) -> DataFrame:
    """The score of each pair at each snapshot, null where a minimum is not reached. Grain: left_id x right_id."""

    def of(side: str) -> DataFrame:
        counts = (F.col(_at(slot)).alias(f"{side}_{slot}") for slot in slots)
        return F.broadcast(orders.select(F.col("product_id").alias(f"{side}_id"), *counts))

    def score(slot: int) -> Column:
        together, left, right = F.col(_at(slot)), F.col(f"left_{slot}"), F.col(f"right_{slot}")
        enough = (together >= MIN_JOINT_ORDERS) & (left >= MIN_ORDERS) & (right >= MIN_ORDERS)
        return F.when(enough, together.cast("double") / F.sqrt((left * right).cast("double"))).alias(_at(slot))

    both = joint.join(of("left"), on="left_id", how="inner").join(of("right"), on="right_id", how="inner")
    return both.select("left_id", "right_id", *map(score, slots))


def _each_direction(scores: DataFrame, slots: range) -> DataFrame:
    """Both directions of each pair at each snapshot that gives it a score."""
    states = F.array(*(F.struct(F.lit(slot).alias("slot"), F.col(_at(slot)).alias("score")) for slot in slots))
    each = scores.select("left_id", "right_id", F.explode(states).alias("at")).select("*", "at.slot", "at.score")
    ends = F.explode(F.array(_direction("left_id", "right_id"), _direction("right_id", "left_id"))).alias("pair")
    return each.where(F.col("score").isNotNull()).select("slot", "score", ends).select("slot", "score", "pair.*")


def _direction(product: str, neighbour: str) -> Column:
    # Both structs of an array need the same field names: Sail matches their fields by name, Spark by place.
    return F.struct(F.col(product).alias("product_id"), F.col(neighbour).alias("neighbour_product_id"))


def _best_first() -> WindowSpec:
    return Window.partitionBy("slot", "product_id").orderBy(F.desc("score"), "neighbour_product_id")
