"""The category of each product, as the bounded table that visits are joined with.

Run: `python -m stream_processing.flink_python.product_category` in the platform environment, before
`session_aggregator` starts for the first time. Reads: the products of the installed Complete Journey data.
Writes: one CSV file under the run folder. Grain: a product; one without a category has its department.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from shared_utils.cli import run_main
from shared_utils.settings import Settings, load_settings

log = structlog.get_logger(__name__)


def path(settings: Settings) -> Path:
    """The file."""
    return settings.run_dir.resolve() / "flink" / "product_category" / "products.csv"


def table(settings: Settings) -> str:
    """The file as a versioned table: every row is valid for all of event time.

    Once the file has been read, its watermark is the end of time: clicks wait for that and never miss their product.
    """
    return f"""
CREATE TABLE product_category (
  product_id BIGINT NOT NULL,
  category STRING,
  valid_from AS TO_TIMESTAMP_LTZ(0, 3),
  WATERMARK FOR valid_from AS valid_from,
  PRIMARY KEY (product_id) NOT ENFORCED
) WITH (
  'connector' = 'filesystem',
  'path' = 'file://{path(settings)}',
  'format' = 'csv'
)
"""


def write(categories: Mapping[int, str], target: Path) -> None:
    """Write the file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f'{product},"{category.replace(_QUOTE, _QUOTE * 2)}"\n' for product, category in sorted(categories.items())
    ]
    fresh = target.with_suffix(".new")
    fresh.write_text("".join(lines), encoding="utf-8")
    fresh.replace(target)


_QUOTE = '"'


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file from the installed data."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    # Needs DuckDB, which only the platform environment has.
    from data_sources.complete_journey import product_categories

    target = path(load_settings())
    categories = product_categories()
    write(categories, target)
    log.info("product_categories_written", products=len(categories), path=str(target))
    return 0


if __name__ == "__main__":
    run_main(main)
