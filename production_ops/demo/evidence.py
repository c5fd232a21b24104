"""From a finished run to the verdict's lines: each function asks one proof for its figure."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_sources.spool import FATES_FILE
from feature_store.snapshots import take_snapshots
from feature_store.stock import out_of_stock
from ml_modeling.core.bundle import BUNDLE_FILE, ModelBundle
from ml_modeling.core.scorer import Scorer
from production_ops.demo.traffic import Answer
from production_ops.demo.world import World
from production_ops.proofs import kafka_topics, ledger, parity, recommender, serving, training_rows
from production_ops.proofs.parity import Reference
from production_ops.proofs.reference import reference_from_silver
from production_ops.proofs.result import ProofResult
from shared_utils.settings import Settings
from shared_utils.time_utils import day_start, epoch_day

PIT_ROWS = 1_000
PIT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Offline:
    """The reference from silver and the registered model, as the proofs on served answers read them."""

    reference: Reference
    scorer: Scorer
    hidden: frozenset[int]


def prove_ledger(world: World, settings: Settings) -> ProofResult:
    """Every produced record against where it ended."""
    fates = pq.read_table(world.run_dir / FATES_FILE)
    return ledger.balance(world.lake, kafka_topics.produced_records(settings.kafka), fates)


def prove_point_in_time(world: World, settings: Settings) -> ProofResult:
    """A sample of training rows by Feast, by the ASOF join and by hand."""
    # Feast takes seconds to import: at the top of this file no server would start before.
    from feature_store.store import open_store
    from production_ops.proofs import point_in_time

    last = epoch_day(world.as_of)
    snapshots = take_snapshots(world.lake, settings.run_dir)
    store = open_store(settings.run_dir, settings.redis.url, snapshots, day_start(last))
    entities = point_in_time.sample_entities(world.lake, (last - PIT_DAYS, last), PIT_ROWS)
    return point_in_time.check_point_in_time(world.lake, store, snapshots, entities)


def prove_training_rows(world: World, settings: Settings) -> ProofResult:
    """What the trainer reads of gold at one of its midnights, from silver alone."""
    snapshots = take_snapshots(world.lake, settings.run_dir)
    return training_rows.check_training_rows(world.lake, snapshots, world.training_days)


def training_report(world: World) -> dict[str, Any]:
    """What the training pipeline measured."""
    report: dict[str, Any] = json.loads(world.training_report.read_text())
    return report


def load_offline(world: World) -> Offline:
    """States from silver as of the served day, with the model that was registered."""
    bundle = ModelBundle.read(world.run_dir / "training" / BUNDLE_FILE)
    day = epoch_day(world.as_of)
    hidden = frozenset(out_of_stock(world.lake, day_start(day)))
    return Offline(reference_from_silver(world.lake, day, bundle.popularity), Scorer(bundle.scorer), hidden)


def prove_served(
    world: World,
    offline: Offline,
    answers: Sequence[Answer],
    decisions: Sequence[dict[str, Any]],
    floor: Sequence[float],
) -> list[ProofResult]:
    """Parity, served lists and waits of one round of traffic.

    A degraded answer says so and is another list on purpose: it is counted against its own bound, not compared.
    """
    day = epoch_day(world.as_of)
    degraded = [a.body["degraded_reasons"] if a.status == 200 else [] for a in answers]
    lists = {
        answer.customer_id: [item["product_id"] for item in answer.body["items"]]
        for answer, reasons in zip(answers, degraded, strict=True)
        if answer.status == 200 and not reasons
    }
    return [
        parity.check_parity(decisions, offline.reference, expected_as_of=day_start(day)),
        recommender.served_equals_offline(lists, offline.reference, day, offline.scorer.score, offline.hidden),
        serving.answers_in_budget([a.status for a in answers], degraded, [a.wait_ms for a in answers], floor),
    ]


def wait_for_decisions(settings: Settings, wanted: int, seconds: float) -> list[dict[str, Any]]:
    """The decisions in Kafka once there are `wanted` of them, or what there is after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        decisions = kafka_topics.served_decisions(settings.kafka)
        if len(decisions) >= wanted or time.monotonic() > deadline:
            return decisions
        time.sleep(0.5)


def customers_of(world: World, count: int) -> list[int]:
    """The first `count` customers of the online day, by id."""
    snapshots = take_snapshots(world.lake, world.run_dir)
    table = pq.read_table(snapshots.paths["customer_features"], columns=["customer_id", "event_timestamp"])
    online = table.filter(pc.equal(table["event_timestamp"], pc.max(table["event_timestamp"])))
    return sorted(pc.unique(online["customer_id"]).to_pylist())[:count]
