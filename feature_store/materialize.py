"""Fills the online store as of a day: customers through Feast, the product table as one blob. Idempotent.

Reads: the gold feature tables, each at its newest Delta version, which is recorded.
Writes: Redis; <run_dir>/feature_store (snapshots, registry, materialization.json).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from redis import Redis, RedisError
from rich.console import Console

from data_lake.storage import root_of
from feature_store.basket_memory import write_basket_memory
from feature_store.core.stamps import us_of
from feature_store.online_check import stale_customers
from feature_store.online_store.client import WRITE_TIMEOUT_MS, connect
from feature_store.online_store.keys import CUSTOMER_VIEW, MEMORY_VIEW
from feature_store.online_store.reader import OnlineReader
from feature_store.online_store.writer import write_product_table
from feature_store.product_table import build_product_table
from feature_store.snapshots import Snapshots, take_snapshots
from feature_store.stock import out_of_stock, write_out_of_stock
from feature_store.store import ibis_muted, open_store
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError, DataError, DependencyError
from shared_utils.settings import Settings, load_settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = structlog.get_logger(__name__)

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
ONLINE_VIEWS = (CUSTOMER_VIEW, MEMORY_VIEW)


@dataclass(frozen=True)
class Materialization:
    """What a run put online, from what. `kept_newer`: Redis held a newer state, which stays."""

    as_of: datetime
    table_versions: dict[str, int]
    customers: int
    products: int
    product_table_version: str
    kept_newer: bool
    seconds: dict[str, float]


def materialize(
    settings: Settings, as_of: datetime, report: Callable[[str, float], None] = lambda _step, _seconds: None
) -> Materialization:
    """Put online what was known at `as_of`: rows with event time and created time up to it.

    The product table goes first, so that every product a customer's pairs name is in it.

    Raises:
        DataError: a gold table is missing or does not fit the catalogue.
        DependencyError: Redis does not answer.
    """
    seconds: dict[str, float] = {}

    def timed(step: str, started: float) -> None:
        seconds[step] = round(time.perf_counter() - started, 3)
        report(step, seconds[step])

    redis = connect(settings.redis.url, WRITE_TIMEOUT_MS)
    _ping(redis)
    started = time.perf_counter()
    snapshots = take_snapshots(root_of(settings), settings.run_dir)
    timed("snapshots", started)

    started = time.perf_counter()
    write_product_table(redis, build_product_table(snapshots, as_of))
    timed("product table", started)

    started = time.perf_counter()
    write_out_of_stock(redis, out_of_stock(root_of(settings), as_of))
    timed("stock", started)

    started = time.perf_counter()
    store = open_store(settings.run_dir, settings.redis.url, snapshots, as_of)
    timed("feast apply", started)

    started = time.perf_counter()
    materialize_customers(store, as_of)
    _check_complete(redis, write_basket_memory(snapshots, as_of))
    timed("customers", started)
    done = _summary(redis, snapshots, as_of, seconds)
    _record(settings.run_dir, done)
    log.info("materialized", as_of=as_of.isoformat(), customers=done.customers, products=done.products)
    return done


def materialize_customers(store: FeatureStore, as_of: datetime) -> None:
    """Feast's own materialization of the online views; its prints are swallowed, its progress bar is not."""
    with contextlib.redirect_stdout(io.StringIO()), ibis_muted():
        store.materialize(BEGINNING, as_of, feature_views=list(ONLINE_VIEWS))


def _check_complete(redis: Redis, memory: Path) -> None:
    behind = stale_customers(redis, memory)
    if behind:
        raise DataError(
            f"{len(behind)} customers are not online after the materialization (first: {behind[0]}).",
            "Check Redis' memory limit and run the materialization again.",
        )


def _ping(redis: Redis) -> None:
    try:
        redis.ping()
    except RedisError as exc:
        raise DependencyError(f"The online store does not answer ({exc}).", "Start Redis.") from exc


def _summary(redis: Redis, snapshots: Snapshots, as_of: datetime, seconds: dict[str, float]) -> Materialization:
    table = OnlineReader(redis).read_product_table()
    customers = sum(1 for _ in redis.scan_iter(f"shop:{CUSTOMER_VIEW}:*", count=1_000))
    if table is None:
        raise DependencyError("The product table is not in Redis after it was written.", "Check Redis' memory limit.")
    products = len(table.columns["product_id"])
    kept_newer = table.event_timestamp_us > us_of(as_of)
    return Materialization(as_of, dict(snapshots.versions), customers, products, table.version, kept_newer, seconds)


def _record(run_dir: Path, done: Materialization) -> None:
    path = run_dir.resolve() / "feature_store" / "materialization.json"
    path.write_text(json.dumps(asdict(done), indent=2, default=datetime.isoformat) + "\n", encoding="utf-8")


def parse_as_of(text: str) -> datetime:
    """An instant from `2026-11-09` (its midnight, UTC) or an RFC 3339 instant.

    Raises:
        ConfigurationError: neither.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ConfigurationError(f"--as-of {text} is not a date.", "Write it as 2026-11-09.") from exc
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def main(argv: Sequence[str] | None = None) -> int:
    """Materialize and print what was done."""
    parser = argparse.ArgumentParser(prog="python -m feature_store.materialize", description=__doc__)
    parser.add_argument("--as-of", required=True, help="the day (2026-11-09: what was known at its midnight, UTC)")
    arguments = parser.parse_args(argv)
    console = Console(highlight=False)
    done = materialize(
        load_settings(),
        parse_as_of(arguments.as_of),
        lambda step, seconds: console.print(f"{step:<14} {seconds:7.2f} s"),
    )
    console.print(
        f"{done.customers} customers and {done.products} products online as of {done.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if done.kept_newer:
        console.print("The online store holds a newer state, which was kept.")
    return 0


if __name__ == "__main__":
    run_main(main)
