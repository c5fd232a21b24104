"""Three days of gold by both engines: Sail, which the demo runs on, and Apache Spark, started for this alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from production_ops.demo.steps import Step
from production_ops.demo.world import STREAMED, World, job_step
from production_ops.proofs import lake
from shared_utils.local_stack import LocalStack

DAYS = 3
_ON_SPARK, _ON_SAIL = "slice on Spark", "slice on Sail"


class EngineSlice:
    """The last days of history, in two lakes of their own. `spark` is a stack with nothing but Spark in it."""

    def __init__(self, world: World, stack: LocalStack) -> None:
        folder = world.run_dir / "slice"
        self.spark = LocalStack(folder, ("spark",))
        self.spark.set_environment(world.environment())
        self.lakes: Mapping[str, Path] = {"sail": folder / "sail_lake", "spark": folder / "lake"}
        self._world, self._stack = world, stack

    def steps(self) -> list[Step]:
        """Cut the slice, start Spark, then the gold jobs by each engine."""
        days = ("--start", str(self._world.cutoff - timedelta(days=DAYS)), "--end", str(self._world.cutoff))
        sail = {**self._stack.job_env(), "SHOP_LAKE__ROOT": str(self.lakes["sail"])}
        # The slice's folder is Spark's run folder, so its settings name the lake, too.
        spark = self.spark.job_env()
        churn, gold = "calculate_churn_features", "output_to_gold"
        copurchase = ("--copurchase-weeks", "1")
        return [
            Step("slice cut", self._cut),
            Step("Spark started", self.spark.start),
            job_step(f"{_ON_SAIL}: customers", churn, *days, after=("slice cut",), environment=sail),
            job_step(
                f"{_ON_SAIL}: products", gold, *days, *copurchase, after=(f"{_ON_SAIL}: customers",), environment=sail
            ),
            job_step(f"{_ON_SPARK}: customers", churn, *days, after=("slice cut", "Spark started"), environment=spark),
            job_step(
                f"{_ON_SPARK}: products",
                gold,
                *days,
                *copurchase,
                # The other one keeps the second core beside the stream; this one fills what the steps into gold leave.
                after=(f"{_ON_SPARK}: customers", STREAMED),
                environment=spark,
            ),
        ]

    def _cut(self) -> None:
        cutoff = self._world.cutoff
        for target in self.lakes.values():
            lake.cut(self._world.lake, target, (cutoff - timedelta(days=DAYS), cutoff))
