"""A click moves the next shelf, on a stack that runs: shelves asked for, clicks into its Kafka, shelves asked again.

Run inside the stack: `python -m production_ops.click_to_shelf --api http://serving:8000`. Reads: the households and the
stock of the lake, the first load's model, the API. Writes: a few views a shopper, at the wall clock. Prints each
reaction as JSON. Exit code: 0 when every shelf moved in time, else 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson
import structlog

from data_lake.catalog import CUSTOMER_PROFILE
from data_lake.storage import root_of
from data_lake.tables import open_delta
from feature_store.stock import out_of_stock
from ml_modeling.core.bundle import BUNDLE_FILE, ModelBundle
from model_serving.tokens import Scope, mint
from production_ops.demo.shoppers import plan, watch
from production_ops.demo.traffic import ask_for
from production_ops.proofs.live_shelf import shelf_reacts
from shared_utils.cli import run_main
from shared_utils.settings import Settings, load_settings

log = structlog.get_logger(__name__)

_TOKEN_SECONDS = 600


def main(argv: Sequence[str] | None = None) -> int:
    """Let some shoppers click; 1 when a shelf did not move."""
    parser = argparse.ArgumentParser(prog="python -m production_ops.click_to_shelf", description=__doc__)
    parser.add_argument("--api", required=True, metavar="URL", help="where the inference API answers")
    parser.add_argument("--shoppers", type=int, default=3, help="how many households click (default: 3)")
    arguments = parser.parse_args(argv)
    settings, now = load_settings(), datetime.now(UTC)
    token = mint(settings.auth, list(Scope), _TOKEN_SECONDS, subject="click-to-shelf", now=time.time())
    bundle = ModelBundle.read(settings.run_dir / "training" / BUNDLE_FILE)
    hidden = frozenset(out_of_stock(root_of(settings), now))
    before = dict(islice(_nightly_shelves(arguments.api, token, settings), arguments.shoppers))
    shoppers = list(plan(bundle, before, hidden))
    reactions = watch(arguments.api, token, settings.kafka, shoppers, before, now)
    result = shelf_reacts(reactions)
    for reaction in reactions:
        sys.stdout.buffer.write(orjson.dumps(asdict(reaction), option=orjson.OPT_APPEND_NEWLINE))
    log.info("click_to_shelf", figure=result.figure, bound=result.bound, findings=result.findings)
    return int(not result.passed)


def _nightly_shelves(api: str, token: str, settings: Settings) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Households with a whole nightly shelf, by id: what others clicked before has its own place on the next one."""
    households = open_delta(CUSTOMER_PROFILE, root_of(settings)).to_pyarrow_table(columns=["customer_id"])
    for household in sorted(set(households["customer_id"].to_pylist())):
        [answer] = ask_for(api, token, [household])
        shelf = answer.body
        whole = answer.status == 200 and not shelf["cold_start"] and not shelf["degraded"]
        if whole and shelf["live_event_id"] is None:
            yield household, shelf


if __name__ == "__main__":
    run_main(main)
