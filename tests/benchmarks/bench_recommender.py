"""The recommender beside its peers on rec-1's two time splits, and on the live weeks: `measures.md`, rec-1.

Reads the lake that `make demo` left (`--run-dir`). On each split the ranker is trained on what came before and compared
with every peer on the same questions; states come from silver (`training rows = silver` proves gold equal to them).
Run: `python -m tests.benchmarks.bench_recommender`. Exit 1: below the entry rung on one of rec-1's two splits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from data_sources.calendar import Calendar
from feature_store.snapshots import take_snapshots
from ml_modeling.core.gate import decide
from ml_modeling.core.onnx_export import to_onnx
from ml_modeling.core.ranker import train_ranker
from ml_modeling.core.replay import OrderLines, ProductDimension, build_copurchase, build_histories
from ml_modeling.core.scorer import Scorer
from ml_modeling.core.splits import (
    Baskets,
    Queries,
    basket_day_queries,
    global_split,
    grid_queries,
    last_basket_split,
)
from ml_modeling.core.training_set import PointInTime, Snapshot, training_rows
from ml_modeling.evaluation.compare import Comparison, compare
from ml_modeling.gold_source import load_gold
from ml_modeling.order_lines import SilverLines, read_order_lines
from ml_modeling.training_scripts.dataset import TRAINING_WEEKS, popularity_at
from ml_modeling.training_scripts.run_pipeline import MAX_GAP_DAYS, SEED, sample
from production_ops.demo.world import World
from shared_utils.settings import load_settings
from shared_utils.time_utils import epoch_day

TRAINING_DAYS: Final = 7 * TRAINING_WEEKS


@dataclass(frozen=True)
class Split:
    """Training questions, test questions, and the lines that both may know of."""

    known: OrderLines
    train: Queries
    test: Queries


def global_at(lines: OrderLines, cutoff: int) -> Split:
    """Train on the weeks before a day, test on each household's first basket from it on."""
    before = lines.where(lines.day < cutoff)
    mondays = np.arange(cutoff - TRAINING_DAYS, cutoff, 7)
    questions = grid_queries(Baskets.from_lines(before), mondays, label_end_day=cutoff, max_gap_days=MAX_GAP_DAYS)
    return Split(before, questions, global_split(Baskets.from_lines(lines), cutoff))


def last_baskets(lines: OrderLines) -> Split:
    """Test on each household's last basket, train on those of the weeks before it."""
    baskets = Baskets.from_lines(lines)
    last = np.flatnonzero(np.append(baskets.customer_index[1:] != baskets.customer_index[:-1], True))
    limit = np.zeros(int(lines.customer_index.max()) + 1, dtype=np.int64)
    limit[baskets.customer_index[last]] = baskets.day[last]
    before = lines.where(lines.day < limit[lines.customer_index])
    end = int(lines.day.max())
    return Split(
        before, basket_day_queries(Baskets.from_lines(before), end - TRAINING_DAYS, end), last_basket_split(baskets)
    )


def source_of(silver: SilverLines, known: OrderLines, dimension: ProductDimension, days: Iterable[int]) -> PointInTime:
    """States of `known`, with weekly co-purchase snapshots up to every day in `days`."""
    pairs, products, customers = build_histories(known, len(silver.customer_ids), dimension)
    size = len(silver.product_ids)
    snapshots = {
        day: Snapshot(build_copurchase(known, size, day), popularity_at(customers, silver, day)) for day in sorted(days)
    }
    return PointInTime(pairs, products, customers, snapshots)


def judge(split: Split, silver: SilverLines, dimension: ProductDimension) -> Comparison:
    """Train on one split and compare on it."""
    asked = np.unique(np.concatenate((split.train.as_of_day, split.test.as_of_day)))
    weeks = asked - (asked - int(asked.min())) % 7
    source = source_of(silver, split.known, dimension, np.unique(weeks).tolist())
    ranker = train_ranker(training_rows(source, sample(split.train), seed=SEED))
    return compare(source, split.known, split.test, Scorer(to_onnx(ranker.kind, ranker.content)).score)


def report(found: Mapping[str, Comparison]) -> Table:
    """One row a split."""
    table = Table("split", "baskets", "NDCG@10", "ratio to the best peer", "recall@10", "ratio to the best peer")
    for name, result in found.items():
        ours = result.reports["ranker"]
        ratios = [
            f"{m.ratio:.3f} [{m.low:.3f}, {m.high:.3f}] {peer}"
            for m, peer in ((result.ndcg, result.best_peer_ndcg), (result.recall, result.best_peer_recall))
        ]
        table.add_row(name, f"{ours.queries:,}", f"{ours.ndcg:.4f}", ratios[0], f"{ours.recall:.4f}", ratios[1])
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Judge every split and print the table."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_recommender", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("build/demo"), help="a run of make demo")
    run_dir = parser.parse_args(argv).run_dir.resolve()
    world, console = World(run_dir, Calendar.from_settings(load_settings().calendar)), Console(highlight=False)
    gold = load_gold(take_snapshots(world.lake, run_dir))
    silver = read_order_lines(world.lake, gold.customer_ids, gold.product_ids)
    gated = {
        "global (rec-1)": lambda: global_at(silver.lines, epoch_day(world.training_cutoff)),
        "last basket (rec-1)": lambda: last_baskets(silver.lines),
    }
    found = {}
    for name, split in {**gated, "live weeks": lambda: global_at(silver.lines, epoch_day(world.cutoff))}.items():
        with console.status(name):
            found[name] = judge(split(), silver, gold.products.dimension)
    console.print(report(found))
    refused = [reason for name in gated for reason in decide(found[name].ndcg, found[name].recall).reasons]
    for reason in refused:
        console.print(reason, style="red")
    return 1 if refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
