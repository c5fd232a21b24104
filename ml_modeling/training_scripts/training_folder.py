"""What the steps of one training hand on to each other when each is a process of its own: a folder by cutoff.

`training_set.{npz,json}` (rows, table versions) -> `training.json`, `bundle.zip`, plots -> `gate.json` ->
`registered.json`. A step that runs again overwrites what it wrote; a judgement names the bundle that it judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ml_modeling.core.bundle import BUNDLE_FILE
from ml_modeling.core.gate import GateDecision
from ml_modeling.core.metrics import RatioInterval
from ml_modeling.core.training_set import RankerRows
from ml_modeling.registry.register_with_mlflow import Registered, TrainingRecord
from shared_utils.errors import DataError
from shared_utils.settings import Settings


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The folder of the training at `cutoff`."""

    path: Path

    @classmethod
    def of(cls, settings: Settings, cutoff: date) -> TrainingFolder:
        """The run's folder of that cutoff."""
        return cls(settings.run_dir.resolve() / "training" / cutoff.isoformat())

    def write_training_set(self, rows: RankerRows, versions: Mapping[str, int]) -> None:
        """Keep the rows and the Delta versions that they were made from."""
        self.path.mkdir(parents=True, exist_ok=True)
        np.savez(self.path / "training_set.npz", **{name: getattr(rows, name) for name in RankerRows.__slots__})
        self._write("training_set", {"versions": dict(versions), "rows": len(rows.label)})

    def read_training_set(self) -> tuple[RankerRows, dict[str, int]]:
        """The rows and their versions. Raises DataError: that step has not run."""
        versions = self._read("training_set")["versions"]
        with np.load(self.path / "training_set.npz", allow_pickle=False) as arrays:
            return RankerRows(**{name: arrays[name] for name in RankerRows.__slots__}), versions

    def write_training(self, record: TrainingRecord, ratios: Mapping[str, RatioInterval]) -> None:
        """Keep what the registry needs, and the ratios that the gate judges."""
        plots = [plot.name for plot in record.plots]
        kept = {key: value for key, value in asdict(record).items() if key not in ("bundle", "plots")}
        self._write("training", {**kept, "plots": plots, "ratios": {k: asdict(v) for k, v in ratios.items()}})

    def read_training(self) -> tuple[TrainingRecord, dict[str, RatioInterval]]:
        """What `write_training` kept. Raises DataError: that step has not run."""
        kept = self._read("training")
        ratios = {name: RatioInterval(**values) for name, values in kept.pop("ratios").items()}
        plots = [self.path / name for name in kept.pop("plots")]
        return TrainingRecord(**kept, plots=plots, bundle=self.path / BUNDLE_FILE), ratios

    def write_gate(self, decision: GateDecision, bundle_sha256: str) -> None:
        """Keep the judgement of a bundle."""
        self._write("gate", {**asdict(decision), "bundle_sha256": bundle_sha256})

    def read_gate(self, bundle_sha256: str) -> GateDecision:
        """The judgement of that bundle. Raises DataError: there is none, or it judged another one."""
        kept = self._read("gate")
        if kept["bundle_sha256"] != bundle_sha256:
            raise DataError(f"The judgement in {self.path} is of another bundle.", "Run the gate again.")
        return GateDecision(kept["passed"], tuple(kept["reasons"]))

    def write_registered(self, registered: Registered) -> None:
        """Keep what became of the training."""
        self._write("registered", asdict(registered))

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=2) + "\n"
        (self.path / f"{name}.json").write_text(text, encoding="utf-8")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / f"{name}.json"
        if not path.exists():
            raise DataError(f"{path} does not exist.", f"Run the step {name} of this training first.")
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
