"""The promotion plan as shares of stores."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Distinct stores in the plan of the year: a constant, so that a week's share does not hang on which weeks are loaded.
STORES_IN_PLAN: Final = 112


def product_promotion_week(promotions: DataFrame) -> DataFrame:
    """Rows of gold.product_promotion_week, from silver.promotion.

    Grain: product_id x week_start (a shop week's Monday). Units: share of stores, 0..1. Known before the week begins.
    """
    return promotions.groupBy("product_id", "week_start").agg(
        _share("mailer_location").alias("promo_mailer_share"),
        _share("display_location").alias("promo_display_share"),
    )


def _share(place: str) -> Column:
    listed = F.sum(F.when(F.col(place) != "0", 1).otherwise(0))
    return (listed.cast("double") / F.lit(float(STORES_IN_PLAN))).cast("float")
