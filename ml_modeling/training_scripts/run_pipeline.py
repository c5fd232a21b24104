"""Train the recommender: fit a ranker, compare it with its peers, gate, second stage, registration.

Reads: gold feature tables and silver.transaction_line, each pinned to a Delta version; silver.click for the stage that
reacts to what a shopper does now. With `--candidate`, a ranker that `fit_ranker` left is judged instead of a new one.
Writes: an MLflow run, a registered version, and `--report` (JSON) with plots beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from ml_modeling.click_moments import Moment, read_moments
from ml_modeling.core.bundle import BUNDLE_FILE, Manifest, ModelBundle, PopularityLists, golden
from ml_modeling.core.candidate import Candidate
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.gate import GateDecision, decide
from ml_modeling.core.live import LIVE_FEATURE_NAMES
from ml_modeling.core.ranker import ROUNDS, TrainedRanker, feature_gains, native_scores
from ml_modeling.core.scorer import Scorer, to_onnx
from ml_modeling.core.splits import global_split
from ml_modeling.core.states import Float32Array
from ml_modeling.core.training_set import RankerRows
from ml_modeling.evaluation.compare import RANKER, Comparison, compare
from ml_modeling.evaluation.live_compare import LiveComparison, compare_live, weights_by_name
from ml_modeling.evaluation.plots import importance_plot, methods_plot, svg_of
from ml_modeling.registry.register_with_mlflow import Registered, TrainingRecord, register
from ml_modeling.training_scripts.dataset import Dataset, load_dataset
from ml_modeling.training_scripts.fit_ranker import SEED, TRAINING_WEEKS, Progress, Stopwatch, day_of, fit, require
from ml_modeling.training_scripts.labels import product_labels
from shared_utils.cli import run_main
from shared_utils.errors import DataError
from shared_utils.settings import Settings, load_settings
from shared_utils.time_utils import day_start, epoch_day

FEATURE_SET = "recommender_v1"
MAX_MOMENTS = 2_000
"""Moments of past visits that the second stage is fitted and judged on, half and half."""


@dataclass(frozen=True, slots=True)
class Training:
    """A trained ranker with what it was trained on and how it compares."""

    ranker: TrainedRanker
    onnx: bytes
    golden_rows: Float32Array
    comparison: Comparison
    gate: GateDecision
    live: LiveComparison | None
    seconds: Mapping[str, float]

    @property
    def live_weights(self) -> tuple[float, ...]:
        """Weights of the second stage; none unless it gains on moments that it was not fitted on."""
        return tuple(self.live.weights.tolist()) if self.live is not None and self.live.gains else ()


def train(
    dataset: Dataset,
    cutoff: date,
    *,
    moments: Sequence[Moment] = (),
    alter_rows: Callable[[RankerRows], RankerRows] = lambda rows: rows,
    progress: Progress = lambda _: None,
) -> Training:
    """Fit on the weeks before `cutoff` and judge what comes of it: `fit`, then `judge`."""
    require(global_split(dataset.baskets, epoch_day(cutoff)), "to compare on")
    candidate = fit(dataset, cutoff, alter_rows=alter_rows, progress=progress)
    return judge(dataset, candidate, moments=moments, progress=progress)


def judge(
    dataset: Dataset, candidate: Candidate, *, moments: Sequence[Moment] = (), progress: Progress = lambda _: None
) -> Training:
    """Compare a candidate on each customer's first basket from its cutoff on.

    `moments` of past visits fit the second stage; without them the shelf is the nightly one.

    Raises:
        DataError: too few questions to compare on, or the candidate was fitted on other data.
    """
    if candidate.data_versions != dataset.versions:
        moved = sorted(name for name, at in dataset.versions.items() if candidate.data_versions.get(name) != at)
        raise DataError(f"The candidate was fitted on other versions of {', '.join(moved)}.", "Fit it again.")
    clock = Stopwatch(progress)
    ranker, day = candidate.ranker, epoch_day(candidate.cutoff)
    test = global_split(dataset.baskets, day)
    require(test, "to compare on")
    onnx = to_onnx(ranker.kind, ranker.content)
    score = Scorer(onnx).score
    comparison = compare(dataset.source, dataset.silver.known_at(day), test, score)
    clock.lap(f"compared with {len(comparison.reports) - 1} peers on {len(test):,} baskets")
    live = compare_live(dataset.source, dataset.gold.customer_ids, dataset.gold.product_ids, moments, score)
    clock.lap(f"session: {_told(live)}")
    seconds = {**candidate.seconds, **clock.seconds}
    gate = decide(comparison.ndcg, comparison.recall)
    return Training(ranker, onnx, candidate.golden_rows, comparison, gate, live, seconds)


def bundle_of(dataset: Dataset, training: Training, cutoff: date) -> ModelBundle:
    """The served artefact. Its clock is the cutoff, so that equal data give equal bytes.

    The best sellers are those of the newest snapshot: the ranker is judged on what came after the cutoff, but the shop
    sells what is bought now.
    """
    rows = training.golden_rows
    scores = native_scores(training.ranker.kind, training.ranker.content, rows)
    ids = dataset.gold.product_ids
    newest = dataset.source.snapshots[max(dataset.source.snapshots)]
    return ModelBundle(
        manifest=Manifest(
            name="recommender",
            feature_set=FEATURE_SET,
            feature_names=FEATURE_NAMES,
            scorer_format="onnx",
            trained_at=day_start(epoch_day(cutoff)),
            data_versions=dataset.versions,
            live_feature_names=LIVE_FEATURE_NAMES if training.live_weights else (),
            live_weights=training.live_weights,
            **golden(rows, scores),
        ),
        scorer=training.onnx,
        popularity=PopularityLists.from_table(newest.popularity, ids),
        labels=product_labels(load_settings().lake.root, ids),
    )


def measurements_of(training: Training) -> dict[str, Any]:
    """Each method's figures on the comparison's baskets, and the ratios to the best peer with their intervals."""
    comparison = training.comparison
    return {
        "methods": {
            name: {
                "ndcg": r.ndcg, "recall": r.recall, "hit_rate": r.hit_rate, "repeat_recall": r.repeat_recall,
                "explore_recall": r.explore_recall, "queries": r.queries, "seconds": comparison.seconds[name],
            }
            for name, r in comparison.reports.items()
        },
        "ratio": {
            "ndcg": _interval(comparison.ndcg, comparison.best_peer_ndcg),
            "recall": _interval(comparison.recall, comparison.best_peer_recall),
        },
    }  # fmt: skip


def live_measurements(live: LiveComparison) -> dict[str, Any]:
    """The second stage's arms on the judged moments, its gain over the nightly list, and its weights."""
    return {
        "fitted": live.fitted,
        "judged": live.judged,
        "arms": {name: asdict(arm) for name, arm in live.arms.items()},
        "ratio": {"basket_ndcg": asdict(live.ndcg), "next_product_hit": asdict(live.hit)},
        "session_share": live.session_share,
        "serves": live.gains,
        "weights": weights_by_name(live.weights),
    }


def report_of(training: Training, cutoff: date, registered: Registered, sha256: str) -> dict[str, Any]:
    """The training as plain values for the verdict: methods, ratios with intervals, times, hashes."""
    return {
        "cutoff": cutoff.isoformat(),
        "kind": training.ranker.kind.value,
        "model_sha256": training.ranker.sha256,
        "bundle_sha256": sha256,
        "version": registered.version,
        "run_id": registered.run_id,
        "champion": registered.champion,
        "gate": {"passed": training.gate.passed, "reasons": list(training.gate.reasons)},
        **measurements_of(training),
        "live": None if training.live is None else live_measurements(training.live),
        "seconds": dict(training.seconds),
    }


def record_of(training: Training, dataset: Dataset, cutoff: date, bundle: Path, sha256: str) -> TrainingRecord:
    """What MLflow keeps of the training."""
    metrics = {
        f"{name.replace(' ', '_').replace('-', '_').lower()}_{key}": value
        for name, report in training.comparison.reports.items()
        for key, value in (
            ("ndcg_at_10", report.ndcg),
            ("recall_at_10", report.recall),
            ("hit_rate_at_10", report.hit_rate),
        )
    }
    if training.live is not None:
        metrics |= {
            "live_basket_ndcg_ratio": training.live.ndcg.ratio,
            "live_basket_ndcg_ratio_low": training.live.ndcg.low,
            "live_next_product_hit_ratio": training.live.hit.ratio,
        }
    ratios = {
        f"ratio_{key}{suffix}": value
        for key, interval in (("ndcg", training.comparison.ndcg), ("recall", training.comparison.recall))
        for suffix, value in (("", interval.ratio), ("_low", interval.low), ("_high", interval.high))
    }
    return TrainingRecord(
        parameters={
            "kind": training.ranker.kind.value, "rounds": str(ROUNDS), "training_weeks": str(TRAINING_WEEKS),
            "cutoff": cutoff.isoformat(), "feature_set": FEATURE_SET, "features": str(len(FEATURE_NAMES)),
            "seed": str(SEED),
        },
        metrics={**metrics, **ratios, "validation_ndcg_at_10": training.ranker.validation_ndcg},
        tags={
            "model_sha256": training.ranker.sha256,
            **{f"data.{name}": str(version) for name, version in dataset.versions.items()},
        },
        plots={
            "methods": methods_plot(training.comparison),
            "importance": importance_plot(FEATURE_NAMES, feature_gains(training.ranker)),
        },
        bundle=bundle,
        bundle_sha256=sha256,
    )  # fmt: skip


def run(
    settings: Settings, cutoff: date, report: Path | None, progress: Progress, candidate: Candidate | None = None
) -> Training:
    """The whole pipeline: load, fit (unless there is a candidate), compare, gate, register, report."""
    dataset = load_dataset(settings)
    progress(f"loaded {len(dataset.silver.lines.day):,} lines, {len(dataset.gold.customer_ids):,} customers")
    moments = read_moments(settings.lake.root, MAX_MOMENTS)
    if candidate is None:
        training = train(dataset, cutoff, moments=moments, progress=progress)
    else:
        training = judge(dataset, candidate, moments=moments, progress=progress)
    bundle = settings.run_dir.resolve() / "training" / BUNDLE_FILE
    sha256 = bundle_of(dataset, training, cutoff).write(bundle)
    registered = register(settings.mlflow, record_of(training, dataset, cutoff, bundle, sha256), training.gate)
    progress(
        f"registered as {registered.name} version {registered.version}" + (", @champion" if registered.champion else "")
    )
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(report_of(training, cutoff, registered, sha256), indent=2) + "\n")
        report.with_suffix(".methods.svg").write_text(svg_of(methods_plot(training.comparison)))
        gains = feature_gains(training.ranker)
        report.with_suffix(".importance.svg").write_text(svg_of(importance_plot(FEATURE_NAMES, gains)))
    return training


def _told(live: LiveComparison | None) -> str:
    if live is None:
        return "no past visits to learn from, the shelf will not react to clicks"
    return (
        f"basket NDCG@10 {live.ndcg.ratio:.3f}x the nightly list on {live.judged:,} moments"
        f"{'' if live.gains else ', no gain: it will not serve'}"
    )


def _interval(measured: Any, peer: str) -> dict[str, Any]:
    return {"ratio": measured.ratio, "low": measured.low, "high": measured.high, "peer": peer}


def main(argv: Sequence[str] | None = None) -> int:
    """Train and register. A refusal by the gate is a result, not a failure: it is printed, tagged and reported."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.training_scripts.run_pipeline", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cutoff", help="the day (2026-11-09) that parts training from comparison")
    what.add_argument("--candidate", type=Path, help="judge what fit_ranker wrote here, at its own cutoff")
    parser.add_argument("--report", type=Path, help="write the result as JSON here, with plots beside it")
    arguments = parser.parse_args(argv)
    candidate = Candidate.read(arguments.candidate) if arguments.candidate else None
    cutoff = candidate.cutoff if candidate else day_of(arguments.cutoff)
    console = Console(highlight=False)
    training = run(load_settings(), cutoff, arguments.report, console.print, candidate)
    for name, method in training.comparison.reports.items():
        console.print(
            f"{name:<13} NDCG@10 {method.ndcg:.4f}  recall@10 {method.recall:.4f}",
            style="bold" if name == RANKER else "",
        )
    for reason in training.gate.reasons:
        console.print(f"gate: {reason}", style="red")
    return 0


if __name__ == "__main__":
    run_main(main)
