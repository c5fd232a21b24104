"""The live path of a run: Flink over the live weeks, the feature writer, shoppers who click, and the proofs of it.

Flink reads beside the judging of the model and the nightly shelves. The writer starts once these were asked for: the
live store is empty until then, so that a nightly list is a nightly list.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow.parquet as pq

from contracts.topics_names import FEATURE_TOPICS, FRAUD_ALERT, PAYMENT, TRANSACTION
from feature_store.online_store.feature_intake import GROUP
from ml_modeling.core.bundle import BUNDLE_FILE, ModelBundle
from production_ops.demo.evidence import Offline
from production_ops.demo.shoppers import plan, watch
from production_ops.demo.steps import Step
from production_ops.demo.traffic import Answer
from production_ops.demo.world import FITTED, FLINK_READS, LEDGER, World, flink_steps
from production_ops.ledger.report import JSON_FILE
from production_ops.proofs import kafka_topics, live_shelf
from production_ops.proofs.fraud import judge
from production_ops.proofs.fraud_report import TRUTH
from production_ops.proofs.live_shelf import Reaction
from production_ops.proofs.result import ProofResult
from shared_utils.errors import DataError, DependencyError
from shared_utils.kafka_helpers import read_all
from shared_utils.local_stack import LocalStack, procfs
from shared_utils.settings import Settings
from stream_processing.core.fraud_rules import RULES_FILE, load_rules

TASKMANAGER: Final = "flink_taskmanager"
FLINK: Final = ("flink_jobmanager", TASKMANAGER)
WRITER: Final = "feature_writer"
SHOPPERS: Final = 40
_PATIENCE_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.25
_SHOWN: Final = 6
_BEHIND: Final = 10
"""Niceness of the TaskManager while it reads weeks at once: beside it the training, the API and the writer, which wait
for each other, would get a third of a core each."""


def flink_side(stack: LocalStack) -> list[Step]:
    """Beside a training, once it has fitted: Flink started and its jobs submitted; they read the live weeks."""
    started = Step("Flink started", lambda: _start_flink(stack), (FITTED,))
    return [started, *flink_steps(after=started.name)]


def _start_flink(stack: LocalStack) -> None:
    stack.start(*FLINK)
    _give_way(stack, _BEHIND)


def _give_way(stack: LocalStack, niceness: int) -> None:
    pid = stack.pid(TASKMANAGER)
    with suppress(OSError):  # only root may give urgency back, a container may forbid both: it costs time, nothing else
        if pid:
            procfs.set_niceness(pid, niceness)


def wait_for_flink(stack: LocalStack, settings: Settings) -> None:
    """Until all three jobs have read the live weeks; from then on the TaskManager is as urgent as the others.

    Raises:
        DependencyError: one is not through in time.
    """
    for group, topics in FLINK_READS.items():
        _wait_group(settings, group, topics)
    _give_way(stack, 0)


def _wait_group(settings: Settings, group: str, topics: Sequence[str]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while unread := kafka_topics.unread(group, topics, settings.kafka):
        if time.monotonic() > deadline:
            raise DependencyError(f"{group} has {unread:,} records left unread.", "Read its log in the run's folder.")
        time.sleep(_POLL_SECONDS)


def prove_live_ledger(world: World) -> ProofResult:
    """What the ledger found of every event, from its producer to the archive of the features.

    Raises:
        DataError: it found nothing, because it broke.
    """
    written = world.run_dir / "ledger" / JSON_FILE
    if not written.exists():
        raise DataError(f"The ledger wrote no {written}.", "Read its log in the run's folder.")
    result = json.loads(written.read_text(encoding="utf-8"))
    stages = result["stages"]
    found = [f"{s['stage']}: {d['word']} {d['subject']}: {d['detail']}" for s in stages for d in s["differences"]]
    accounted = ", ".join(f"{stage['accounted']:,} {stage['stage'].replace('_', ' ')}" for stage in stages)
    return ProofResult(
        name=LEDGER,
        figure=f"{result['sent']:,} events: {accounted}; {len(found)} lost, doubled, misrouted or reordered",
        bound="0, every stage judged",
        passed=result["balanced"],
        findings=tuple([*result["missing"], *found][:_SHOWN]),
        numbers={"events": result["sent"], "differences": len(found)},
    )


def prove_fraud(world: World, settings: Settings) -> ProofResult:
    """Every planted fraud found, and the alerts those of brute force."""
    truth = pq.read_table(world.run_dir / TRUTH).to_pylist()
    alerts, payments, purchases = (list(read_all(name, settings.kafka)) for name in (FRAUD_ALERT, PAYMENT, TRANSACTION))
    rules = load_rules(settings.flink.fraud_rules_file or RULES_FILE)
    result, _ = judge(truth, alerts, payments, purchases, rules, settings.flink.fraud_lateness_seconds)
    return result


def let_shoppers_click(
    world: World, settings: Settings, offline: Offline, answers: Sequence[Answer], base_url: str, token: str
) -> list[Reaction]:
    """Some of the answered customers click, and ask again."""
    bundle = ModelBundle.read(world.run_dir / "training" / BUNDLE_FILE)
    known = [a for a in answers if a.status == 200 and not a.body["cold_start"]]
    whole = {a.customer_id: a.body for a in known if not a.body["degraded"]}
    shoppers = [shopper for shopper, _ in zip(plan(bundle, whole, offline.hidden), range(SHOPPERS), strict=False)]
    return watch(base_url, token, settings.kafka, shoppers, whole, world.now)


def prove_live_parity(world: World, settings: Settings, offline: Offline, reactions: Sequence[Reaction]) -> ProofResult:
    """The answers that named the clicks, recomputed once the archive has all of them."""
    _wait_group(settings, GROUP, FEATURE_TOPICS)
    wanted = {reaction.after["request_id"] for reaction in reactions if reaction.wait_ms is not None}
    decisions = _decisions(settings, wanted)
    return live_shelf.live_parity(decisions, offline.reference, world.lake, offline.scorer.score, datetime.now(UTC))


def _decisions(settings: Settings, request_ids: set[str]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20.0
    while True:
        found = [d for d in kafka_topics.served_decisions(settings.kafka) if d["request_id"] in request_ids]
        if len(found) >= len(request_ids) or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)
