"""The demo's steps, from files and a spool to a filled online store: each one a command that also stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from contracts.topics_names import CLICK, FEATURE_TOPICS, PAYMENT, SHOP_TOPICS, TRANSACTION
from data_sources.calendar import Calendar
from data_sources.user_activity.archive import PAST_WEEKS
from feature_store.online_store.feature_intake import GROUP
from feature_store.snapshots import take_snapshots
from ml_modeling.training_scripts.dataset import TRAINING_WEEKS
from production_ops.demo.steps import Said, Step
from production_ops.ledger.__main__ import EVIDENCE_READ
from shared_utils.environments import flink_python, platform_python, spark_python
from shared_utils.time_utils import day_start, epoch_day

_JOBS = "batch_processing.spark_jobs"
FLINK_READS = {
    "flink-realtime_features": (CLICK, TRANSACTION),
    "flink-session_aggregator": (CLICK,),
    "flink-fraud_pattern_detector": (PAYMENT, TRANSACTION),
}
"""What each Flink job reads, by its consumer group."""
FLINK_JOBS = tuple(group.removeprefix("flink-") for group in FLINK_READS)
KAFKA = "Kafka started"
HISTORY = "history into silver"
STREAMED = "Kafka into the lake"
TWIN = "live days by batch"
PINNED = "gold pinned"
STORED = "features into Redis"
TRAINED = "recommender trained"
FITTED = "rankers fitted"
"""While a training fits, both cores are its own; it judges with one of them."""
LEDGER = "live ledger"
HOLDOUT_WEEKS = 7
"""Weeks before the live ones that no label of the training comes from: the global split of `measures.md`, rec-1."""


@dataclass(frozen=True, slots=True)
class World:
    """The folders and days of one demo run. `customers` limits the data to so many households (None: all)."""

    run_dir: Path
    calendar: Calendar
    customers: int | None = None

    @property
    def first_day(self) -> date:
        """The first day of history."""
        return self.calendar.history_start.date()

    @property
    def cutoff(self) -> date:
        """The day on which history ends and the live weeks begin."""
        return self.calendar.live_start.date()

    @property
    def training_cutoff(self) -> date:
        """The day that parts training from comparison: the model is judged on each household's next basket."""
        return self.cutoff - timedelta(weeks=HOLDOUT_WEEKS)

    @property
    def as_of(self) -> date:
        """The day as of which the store serves: by its midnight every live event has arrived, late ones too."""
        return self.calendar.live_end.date() + timedelta(days=1)

    @property
    def training_mondays(self) -> list[date]:
        """The days, up to the training's cutoff, as of which a training reads gold."""
        return [self.training_cutoff - timedelta(weeks=n) for n in range(TRAINING_WEEKS, -1, -1)]

    @property
    def copurchase_days(self) -> list[date]:
        """The Mondays with a co-purchase snapshot: the training's, the live weeks' first, and the one that serves."""
        serving = self.as_of - timedelta(days=self.as_of.weekday())
        return sorted({*self.training_mondays, self.cutoff, serving})

    @property
    def training_days(self) -> list[int]:
        """The epoch days of the training's Mondays."""
        return [epoch_day(day) for day in self.training_mondays]

    @property
    def now(self) -> datetime:
        """The instant at which the demo serves: the midnight that opens `as_of`."""
        return day_start(epoch_day(self.as_of))

    @property
    def lake(self) -> Path:
        """The lake's folder."""
        return self.run_dir / "lake"

    @property
    def training_report(self) -> Path:
        """Where the training pipeline writes what it measured."""
        return self.run_dir / "training" / "report.json"

    def environment(self) -> Mapping[str, str]:
        """Settings of this world beside the servers' addresses."""
        return {
            "SHOP_CALENDAR__LIVE_END": self.calendar.live_end.date().isoformat(),
            "SHOP_SERVING__FIXED_NOW": self.now.isoformat(),
            "SHOP_LOG_LEVEL": "WARNING",
            # All at once on two cores: Flink's idle tasks wake a tenth as often, a shelf moves some 15 ms later.
            "SHOP_FLINK__BUFFER_TIMEOUT_MS": "10",
            # Two weeks of one shop fit the heap, and RocksDB costs the TaskManager a third more CPU time.
            "SHOP_FLINK__STATE_BACKEND": "hashmap",
        }


def past_steps(world: World) -> list[Step]:
    """Sources to history in silver by the batch road."""
    run, next_day = world.run_dir, timedelta(days=1)
    history = ("--start", str(world.first_day), "--end", str(world.cutoff + next_day))
    transactions = ("--topic", "shop.transaction.v1")
    return [
        _step("POS archive written", "data_sources.pos_logs.write_archive", "--out", run / "archive", *_limit(world)),
        _step("products and promotions loaded", f"{_JOBS}.load_reference", *history_of(world)),
        _step(
            "archive into bronze", f"{_JOBS}.load_archive", *history,
            "--archive", run / "archive", after=("POS archive written",),
        ),
        _step(
            HISTORY, f"{_JOBS}.join_bronze_to_silver", *history, *transactions,
            after=("archive into bronze", "products and promotions loaded"),
        ),
    ]  # fmt: skip


def past_click_steps(world: World) -> list[Step]:
    """Clicks of the weeks before the live ones into silver, by the batch road: the shelf's second stage needs some."""
    run, written, loaded = world.run_dir, "click archive written", "clicks into bronze"
    past = ("--start", str(world.cutoff - timedelta(weeks=PAST_WEEKS)), "--end", str(world.cutoff + timedelta(days=1)))
    topic = ("--topic", CLICK)
    return [
        _step(written, "data_sources.user_activity.write_archive", "--out", run / "archive", *_limit(world)),
        _step(loaded, f"{_JOBS}.load_archive", *past, "--archive", run / "archive", *topic, after=(written,)),
        # After the history: both roads into silver write the tables of what it refuses.
        _step("past clicks into silver", f"{_JOBS}.join_bronze_to_silver", *past, *topic, after=(loaded, HISTORY)),
    ]


def spool_step(world: World) -> Step:
    """The live weeks as a spool of records to send."""
    return _step("live weeks generated", "data_sources.replay", "--out", world.run_dir, *_limit(world))


def history_steps(world: World) -> list[Step]:
    """Sources to history in silver, and to live weeks in Kafka."""
    return [
        *past_steps(world),
        spool_step(world),
        _step("topics created", "ingestion_layer.kafka.topics.create_topics", after=(KAFKA,)),
        _step(
            "live weeks sent to Kafka", "ingestion_layer.kafka.replay_live", "--live", world.run_dir / "live",
            after=("topics created", "live weeks generated"),
        ),
    ]  # fmt: skip


def stream_step(world: World) -> Step:
    """The live weeks from Kafka into bronze and silver by the stream."""
    return _spark_step(
        STREAMED, "stream_processing.spark_streaming.run", "--once", "--report",
        world.run_dir / "stream.json", "--topics", ",".join(SHOP_TOPICS),
    )  # fmt: skip


def gold_steps(world: World, after: tuple[str, ...] = ()) -> list[Step]:
    """Silver to gold. Late rows are repaired first, so that gold is the truth."""
    live = ("--start", str(world.cutoff), "--end", str(world.as_of))
    repaired = "late rows repaired"
    return [
        _step(repaired, f"{_JOBS}.join_bronze_to_silver", *live, after=after),
        _step("product views", f"{_JOBS}.aggregate_product_views", *live, after=(repaired,)),
        *feature_steps(world, after=(repaired,)),
    ]


def feature_steps(world: World, after: tuple[str, ...] = ()) -> list[Step]:
    """The gold features of every closed day."""
    days = history_of(world)
    return [
        _step("customer features", f"{_JOBS}.calculate_churn_features", *days, after=after),
        _step(
            "product and pair features", f"{_JOBS}.output_to_gold", *days,
            "--copurchase-at", ",".join(map(str, world.copurchase_days)), after=("customer features",),
        ),
    ]  # fmt: skip


def model_steps(world: World, store_after: tuple[str, ...] = ()) -> list[Step]:
    """Gold to a registered model and a filled online store, side by side."""
    return [
        Step(PINNED, lambda: _pin_gold(world)),
        store_step(world.as_of, after=(PINNED, *store_after)),
        training_step(world, after=(PINNED,)),
        Step(FITTED, Said(TRAINED, "trained:")),
    ]


def _pin_gold(world: World) -> None:
    """The snapshots that the store and the training both read, taken once."""
    take_snapshots(world.lake, world.run_dir)


def store_step(as_of: date, after: tuple[str, ...] = ()) -> Step:
    """The online store filled with what was known at the midnight of `as_of`."""
    return _step(STORED, "feature_store.materialize", "--as-of", str(as_of), after=after)


def training_step(world: World, after: tuple[str, ...] = ()) -> Step:
    """The recommender trained, judged and registered."""
    return _step(
        TRAINED, "ml_modeling.training_scripts.run_pipeline", "--cutoff", str(world.training_cutoff),
        "--report", world.training_report, after=after,
    )  # fmt: skip


def flink_steps(after: str) -> list[Step]:
    """The live jobs on the Flink cluster, compiled by one process: its JVM takes longer to start than a job."""
    categories = "product categories written"
    command = (str(flink_python()), "-m", "stream_processing.flink_python.run", *FLINK_JOBS)
    return [
        _step(categories, "stream_processing.flink_python.product_category", after=(after,)),
        Step("Flink jobs submitted", command, (categories,)),
    ]


def ledger_step() -> Step:
    """Every event from its producer to the archive of the features, judged by `make ledger`'s own command.

    It reads the events while Flink does, and waits for Flink, then for the writer, before it reads the features.
    """
    readers = {**FLINK_READS, GROUP: FEATURE_TOPICS}
    waits = [f"--wait-for={group}={','.join(topics)}" for group, topics in readers.items()]
    return replace(_step(LEDGER, "production_ops.ledger", "--stages", "all", *waits), verdict=True)


def evidence_step() -> Step:
    """The ledger as far as its reading: what happens after it is not in its evidence."""
    return Step("evidence read", Said(LEDGER, EVIDENCE_READ))


def twin_step(world: World) -> Step:
    """The live days once more from bronze, by the batch road, late rows set aside as the stream does."""
    days = ("--start", str(world.cutoff), "--end", str(world.as_of))
    return _step(TWIN, f"{_JOBS}.join_bronze_to_silver", *days, "--late", "set-aside")


def job_step(
    name: str, job: str, *arguments: str | Path, after: tuple[str, ...], environment: Mapping[str, str]
) -> Step:
    """A batch job with an environment of its own: another engine, another lake."""
    return replace(_step(name, f"{_JOBS}.{job}", *arguments, after=after), environment=environment)


def history_of(world: World) -> tuple[str, ...]:
    """The interval of every closed day: `--start` and `--end` of the batch jobs."""
    return ("--start", str(world.first_day), "--end", str(world.as_of))


def _limit(world: World) -> tuple[str, ...]:
    return () if world.customers is None else ("--limit-customers", str(world.customers))


def _step(name: str, module: str, *arguments: str | Path, after: tuple[str, ...] = ()) -> Step:
    return Step(name, (str(platform_python()), "-m", module, *map(str, arguments)), after)


def _spark_step(name: str, module: str, *arguments: str | Path, after: tuple[str, ...] = ()) -> Step:
    return Step(name, (str(spark_python()), "-m", module, *map(str, arguments)), after)
