"""What customers did and what was done with products, by minute of event time, sent at once with each event.

Reads: shop.click.v1, shop.transaction.v1. Writes: features.customer.v1, features.product.v1.
Grain: one record per counted event (and basket line) with the minute's newest state; the greatest `version` of an
(entity, minute) is the state. No watermark is waited for, so a late event corrects its minute whenever it comes.
Impressions, checkouts (the transaction says it) and, for a product, removes are in no count and send nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.topics_names import CLICK, CUSTOMER_FEATURE, PRODUCT_FEATURE, TRANSACTION
from shared_utils.cli import run_main
from shared_utils.settings import Settings
from stream_processing.flink_python import sql
from stream_processing.flink_python.command import run_job
from stream_processing.flink_python.job import FlinkJob, Statements

_NAME: Final = "realtime_features"

_CUSTOMER_EVENTS: Final = f"""
CREATE TEMPORARY VIEW customer_event AS
SELECT event_id, event_time, traceparent, processing_time, customer_id, {sql.minute("event_time")} AS bucket_start,
  action, product_id, CAST(0 AS BIGINT) AS spend_cents
FROM click WHERE action IN ('view', 'add', 'remove', 'search')
UNION ALL
SELECT event_id, event_time, traceparent, processing_time, customer_id, {sql.minute("event_time")} AS bucket_start,
  'purchase' AS action, CAST(NULL AS BIGINT) AS product_id, total_cents AS spend_cents
FROM purchase
"""
_PRODUCT_EVENTS: Final = f"""
CREATE TEMPORARY VIEW product_event AS
SELECT event_id, event_time, traceparent, processing_time, product_id, {sql.minute("event_time")} AS bucket_start,
  action, CAST(0 AS BIGINT) AS spend_cents
FROM click WHERE action IN ('view', 'add')
UNION ALL
SELECT event_id, event_time, traceparent, processing_time, line.product_id,
  {sql.minute("event_time")} AS bucket_start, 'purchase' AS action, line.sales_cents AS spend_cents
FROM purchase CROSS JOIN UNNEST(lines) AS line (
  line_number, product_id, quantity, sales_cents,
  retail_discount_cents, coupon_discount_cents, coupon_match_discount_cents
)
"""


def _count(action: str) -> str:
    return f"SUM(CASE WHEN action = '{action}' THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END) OVER so_far"


def _so_far(entity: str) -> str:
    return (
        f"WINDOW so_far AS (PARTITION BY {entity}, bucket_start ORDER BY processing_time "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )


_TOUCH: Final = "ROW<product_id BIGINT, event_time STRING, action STRING>"
_CUSTOMER_FEATURES: Final = f"""
INSERT INTO customer_feature_sink
SELECT customer_id, bucket_start, version, {sql.instant("latest")}, event_id,
  `views`, adds, removes, searches, purchases, spend_cents, products, {sql.record_key("customer_id")},
  {sql.headers(traceparent=sql.next_span("'customer'", "event_id", "version"))}
FROM (
  SELECT customer_id, bucket_start, event_id, traceparent,
    COUNT(*) OVER so_far AS version,
    MAX(event_time) OVER so_far AS latest,
    {_count("view")} AS `views`,
    {_count("add")} AS adds,
    {_count("remove")} AS removes,
    {_count("search")} AS searches,
    {_count("purchase")} AS purchases,
    SUM(spend_cents) OVER so_far AS spend_cents,
    ARRAY_REMOVE(ARRAY_AGG(touch) OVER so_far, CAST(NULL AS {_TOUCH})) AS products
  FROM (
    SELECT *,
      CASE WHEN action IN ('view', 'add')
        THEN CAST(ROW(product_id, {sql.instant("event_time")}, action) AS {_TOUCH})
      END AS touch
    FROM customer_event
  )
  {_so_far("customer_id")}
)
"""
_PRODUCT_FEATURES: Final = f"""
INSERT INTO product_feature_sink
SELECT product_id, bucket_start, version, {sql.instant("latest")}, event_id, `views`, adds, purchases, spend_cents,
  {sql.record_key("product_id")},
  {sql.headers(traceparent=sql.next_span("'product'", "product_id", "event_id", "version"))}
FROM (
  SELECT product_id, bucket_start, event_id, traceparent,
    COUNT(*) OVER so_far AS version,
    MAX(event_time) OVER so_far AS latest,
    {_count("view")} AS `views`,
    {_count("add")} AS adds,
    {_count("purchase")} AS purchases,
    SUM(spend_cents) OVER so_far AS spend_cents
  FROM product_event
  {_so_far("product_id")}
)
"""


def statements(settings: Settings) -> Statements:
    """The job's SQL: both feature topics from one reading of the sources."""
    return Statements(
        definitions=(
            sql.source_table(CLICK, _NAME, settings, lateness_seconds=0),
            sql.source_table(TRANSACTION, _NAME, settings, lateness_seconds=0),
            sql.sink_table(CUSTOMER_FEATURE, settings),
            sql.sink_table(PRODUCT_FEATURE, settings),
            sql.first_arrivals("click", CLICK),
            sql.first_arrivals("purchase", TRANSACTION),
            _CUSTOMER_EVENTS,
            _PRODUCT_EVENTS,
        ),
        inserts=(_CUSTOMER_FEATURES, _PRODUCT_FEATURES),
    )


JOB: Final = FlinkJob(_NAME, (CLICK, TRANSACTION), (CUSTOMER_FEATURE, PRODUCT_FEATURE), statements)


def main(argv: Sequence[str] | None = None) -> int:
    """Submit this job, with the options of `stream_processing.flink_python.run`."""
    return run_job(JOB, argv)


if __name__ == "__main__":
    run_main(main)
