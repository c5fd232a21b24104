"""What the demo shows: plots and tables of the page, resources and how to try it in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from ml_modeling.evaluation.plots import ACCENT, INK, PEER, svg_of
from production_ops.demo.memory import Peak
from production_ops.demo.outcome import Outcome
from production_ops.demo.steps import Timeline
from production_ops.demo.traffic import Answer
from production_ops.demo.verdict import Plot, Section, write_page
from production_ops.demo.world import World
from production_ops.proofs.live_shelf import Reaction
from production_ops.proofs.result import ProofResult
from shared_utils.local_stack import LocalStack

MIB = 1024 * 1024
GOAL_SECONDS = 480
GOAL_MIB = 6 * 1024


def write(world: World, outcome: Outcome, peak: Peak, seconds: float) -> Path:
    """Write `index.html` into the run's folder and give its path."""
    path = world.run_dir / "index.html"
    plots = [
        Plot(
            "The ranker beside its peers, on each household's first basket after the training.", _svg(world, "methods")
        ),
        Plot("What the winning model looks at.", _svg(world, "importance")),
        Plot(
            "How long a client waits: a personal list, and the emptiest route of the same server.",
            _waits(outcome.answers, outcome.floor),
        ),
        Plot(
            "From a click acknowledged by Kafka to the answer that it moved, one bar a shopper.",
            _reactions(outcome.reactions),
        ),
        Plot("Where the records ended (bars on a log scale).", _ledger(outcome.results)),
        Plot("The steps of this run.", _steps(outcome.timelines)),
    ]
    facts = {
        "live weeks": f"{world.cutoff} to {world.calendar.live_end.date()}",
        "served as of": f"{world.as_of}",
        "wall time": f"{seconds:.0f} s",
        "peak memory of all processes together": f"{peak.total_bytes / MIB:,.0f} MiB",
    }
    sections = [_shelf(outcome.answers), *_moved(outcome.reactions), _servers(outcome)]
    write_page(path, facts=facts, results=outcome.results, sections=sections, plots=plots)
    return path


def print_resources(outcome: Outcome, peak: Peak, seconds: float, console: Console) -> None:
    """Start-up time and memory of each server, then the time and the memory of the whole run."""
    table = Table(title="Servers", title_justify="left", pad_edge=False)
    section = _servers(outcome)
    for head in section.heads:
        table.add_column(head, justify="left" if head == "server" else "right")
    for row in section.rows:
        table.add_row(*row)
    console.print(table)
    console.print(
        f"Wall time {seconds:.0f} s (goal {GOAL_SECONDS}), peak memory of all processes together "
        f"{peak.total_bytes / MIB:,.0f} MiB (goal {GOAL_MIB:,})"
    )
    largest = ", ".join(f"{name} {size / MIB:,.0f}" for name, size in peak.largest)
    console.print(f"Most of it then: {largest} MiB", style="dim")


def print_how_to_try(stack: LocalStack, token: str, customer: int, console: Console) -> None:
    """The URLs, a token and three commands."""
    base = f"http://{stack.address('serving')}"
    console.print("\nLeft running (`make down` stops it):", style="bold")
    console.print(f"  API {base}   Kafka {stack.address('kafka')}   Redis {stack.address('redis')}")
    console.print(f"  export TOKEN={token}", soft_wrap=True)
    for path in (f"/v1/recommendations/{customer}?limit=5", "/v1/models"):
        console.print(f'  curl -s -H "Authorization: Bearer $TOKEN" "{base}{path}"', soft_wrap=True)
    console.print(f"  curl -s {base}/readyz", soft_wrap=True)


def _servers(outcome: Outcome) -> Section:
    rows = [(s.name, f"{s.startup_seconds:.1f} s", f"{s.peak_bytes / MIB:,.0f} MiB") for s in outcome.servers]
    return Section("Servers", ("server", "start-up", "peak memory"), rows)


def _shelf(answers: Sequence[Answer]) -> Section:
    answer = next(a for a in answers if a.status == 200)
    rows = [
        (
            str(i["rank"]),
            i.get("name") or str(i["product_id"]),
            f"{i['score']:.2f}",
            i["reason"]["source"],
            i["reason"]["text"],
        )
        for i in answer.body["items"]
    ]
    return Section(
        f"The shelf of customer {answer.customer_id}", ("rank", "product", "score", "source", "reason"), rows
    )


def _moved(reactions: Sequence[Reaction]) -> list[Section]:
    """The shelf of one shopper before and after its clicks, side by side."""
    moved = next((r for r in reactions if r.wait_ms is not None), None)
    if moved is None:
        return []
    before, after = ([f"{i['name'] or i['product_id']}" for i in a["items"]] for a in (moved.before, moved.after))
    why = [item["reason"]["text"] for item in moved.after["items"]]
    rows = [(str(n), *row) for n, row in enumerate(zip(before, after, why, strict=False), start=1)]
    title = f"The shelf of customer {moved.customer_id} after {len(moved.clicked)} views of {moved.category.lower()}"
    return [Section(title, ("rank", "before", "after", "reason"), rows)]


def _reactions(reactions: Sequence[Reaction]) -> str:
    waits = sorted(r.wait_ms for r in reactions if r.wait_ms is not None)
    figure = Figure(figsize=(6.4, 2.4))
    axes = figure.add_subplot()
    axes.bar(range(len(waits)), waits, color=ACCENT)
    axes.set_ylabel("milliseconds", fontsize=8, color=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(labelsize=8, bottom=False, labelbottom=False)
    return svg_of(figure)


def _svg(world: World, name: str) -> str:
    return world.training_report.with_suffix(f".{name}.svg").read_text()


def _waits(answers: Sequence[Answer], floor: Sequence[float]) -> str:
    figure = Figure(figsize=(6.4, 3.2))
    axes = figure.add_subplot()
    top = float(np.percentile([a.wait_ms for a in answers], 99))
    bins = np.linspace(0, top, 50).tolist()
    axes.hist([a.wait_ms for a in answers], bins=bins, color=ACCENT, label="recommendations")
    axes.hist(floor, bins=bins, color=PEER, alpha=0.8, label="empty route")
    axes.set_xlabel("milliseconds", fontsize=8, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=8, left=False, labelleft=False)
    axes.legend(frameon=False, fontsize=8)
    return svg_of(figure)


def _ledger(results: Sequence[ProofResult]) -> str:
    numbers = next(result.numbers for result in results if result.name == "event ledger")
    ends = ("silver", "duplicate", "quarantine", "late")
    figure = Figure(figsize=(6.4, 2.4))
    axes = figure.add_subplot()
    bars = axes.barh(ends[::-1], [max(numbers[end], 1) for end in ends[::-1]], color=ACCENT, log=True)
    axes.bar_label(bars, labels=[f"{numbers[end]:,.0f}" for end in ends[::-1]], padding=3, fontsize=8, color=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(labelsize=8, left=False, bottom=False, labelbottom=False, which="both")
    return svg_of(figure)


def _steps(timelines: Sequence[Timeline]) -> str:
    spans, offset = [], 0.0
    for timeline in timelines:
        spans += [(name, offset + begin, timeline.seconds(name)) for name, begin in timeline.started.items()]
        offset += max(timeline.ended.values())
    figure = Figure(figsize=(6.4, 0.26 * len(spans) + 0.6))
    axes = figure.add_subplot()
    names = [name for name, _, _ in spans][::-1]
    axes.barh(
        names, [length for _, _, length in spans][::-1], left=[begin for _, begin, _ in spans][::-1], color=ACCENT
    )
    axes.set_xlabel("seconds", fontsize=8, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return svg_of(figure)
