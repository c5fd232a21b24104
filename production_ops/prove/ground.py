"""A small healthy world with everything running, on which one thing at a time is broken and its proof is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from redis import Redis
from rich.console import Console

from data_sources.spool import FATES_FILE
from feature_store.snapshots import Snapshots, take_snapshots
from feature_store.store import open_store
from ml_modeling.core.training_set import RankerRows
from ml_modeling.training_scripts.dataset import load_dataset
from ml_modeling.training_scripts.run_pipeline import measurements_of, train
from production_ops.demo import evidence
from production_ops.demo.run import TRAFFIC, WAIT_FOR_DECISIONS_SECONDS
from production_ops.demo.steps import run_steps
from production_ops.demo.traffic import ask_for
from production_ops.demo.world import World, store_step
from production_ops.proofs import kafka_topics, ledger, parity, point_in_time, recommender, training_rows
from production_ops.proofs.ledger import Produced
from production_ops.proofs.result import ProofResult
from production_ops.prove.plants import Planting, leaking_snapshots, planted_lake
from shared_utils.local_stack import LocalStack
from shared_utils.settings import Settings
from shared_utils.time_utils import day_start, epoch_day

PIT_ROWS = 300


class Ground:
    """A built world whose servers run. A fault goes into copies; the online store alone is overwritten."""

    def __init__(self, world: World, stack: LocalStack, settings: Settings, token: str) -> None:
        self._world, self._stack, self._settings = world, stack, settings
        self._token, self._copies = token, 0

    def ledger(self, planting: Planting) -> ProofResult:
        """The event ledger over a lake with a fault."""
        return ledger.balance(self._planted(planting), self._produced, self._fates)

    def training_rows(self, planting: Planting) -> ProofResult:
        """What a training reads of gold with a fault, against silver."""
        lake = self._planted(planting)
        return training_rows.check_training_rows(lake, take_snapshots(lake, lake.parent), self._world.training_days)

    def leaking_offline_store(self) -> ProofResult:
        """The point-in-time proof over snapshots that know the next day."""
        folder = self._next_folder()
        snapshots = leaking_snapshots(take_snapshots(self._world.lake, self._world.run_dir), folder)
        return self._point_in_time(snapshots, folder)

    def trained(self, alter_rows: Callable[[RankerRows], RankerRows]) -> ProofResult:
        """A training on spoiled rows beside its peers."""
        training = train(load_dataset(self._settings), self._world.training_cutoff, alter_rows=alter_rows)
        return recommender.no_peer_is_better(measurements_of(training))

    def trained_well(self) -> ProofResult:
        """The world's own training beside its peers."""
        return recommender.no_peer_is_better(evidence.training_report(self._world))

    def served(self, planting: Planting | None, as_of: date | None = None) -> ProofResult:
        """Parity of a round of answers from a store that was filled anew: from a lake with a fault, or as of a day."""
        lake = self._world.lake if planting is None else self._planted(planting)
        folder = lake.parent if planting else self._next_folder()
        Redis.from_url(self._settings.redis.url).flushall()
        run_steps(
            [store_step(as_of or self._world.as_of)],
            logs=folder / "logs",
            environment={**self._stack.job_env(), "SHOP_LAKE__ROOT": str(lake), "SHOP_RUN_DIR": str(folder)},
            console=Console(quiet=True),
        )
        self._stack.restart("serving")
        seen = {decision["event_id"] for decision in kafka_topics.served_decisions(self._settings.kafka)}
        answers = ask_for(f"http://{self._stack.address('serving')}", self._token, self._customers)
        wanted = len(seen) + len(answers)
        decisions = evidence.wait_for_decisions(self._settings, wanted, WAIT_FOR_DECISIONS_SECONDS)
        fresh = [decision for decision in decisions if decision["event_id"] not in seen]
        return parity.check_parity(fresh, self._offline.reference, expected_as_of=self._world.now)

    def _point_in_time(self, snapshots: Snapshots, folder: Path) -> ProofResult:
        last = epoch_day(self._world.as_of)
        store = open_store(folder, self._settings.redis.url, snapshots, day_start(last))
        entities = point_in_time.sample_entities(self._world.lake, (last - evidence.PIT_DAYS, last), PIT_ROWS)
        return point_in_time.check_point_in_time(self._world.lake, store, snapshots, entities)

    def _planted(self, planting: Planting) -> Path:
        return planted_lake(self._world.lake, self._next_folder() / "lake", planting)

    def _next_folder(self) -> Path:
        self._copies += 1
        folder = self._world.run_dir / "planted" / str(self._copies)
        folder.mkdir(parents=True)
        return folder

    @cached_property
    def _produced(self) -> list[Produced]:
        return list(kafka_topics.produced_records(self._settings.kafka))

    @cached_property
    def _fates(self) -> pa.Table:
        return pq.read_table(self._world.run_dir / FATES_FILE)

    @cached_property
    def _offline(self) -> evidence.Offline:
        return evidence.load_offline(self._world)

    @cached_property
    def _customers(self) -> list[int]:
        return evidence.customers_of(self._world, TRAFFIC)
