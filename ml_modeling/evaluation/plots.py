"""Plots of a comparison as SVG text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ml_modeling.evaluation.compare import RANKER, Comparison

INK, ACCENT, PEER = "#16202c", "#0b6e99", "#b8c4ce"


def svg_of(figure: Figure) -> str:
    """The figure as an inline `<svg>` element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def methods_plot(comparison: Comparison) -> Figure:
    """NDCG@10 and recall@10 of every method, the ranker in colour."""
    figure = Figure(figsize=(6.4, 3.2))
    for place, (title, values) in enumerate(
        (
            ("NDCG@10", {name: report.ndcg for name, report in comparison.reports.items()}),
            ("recall@10", {name: report.recall for name, report in comparison.reports.items()}),
        )
    ):
        _bars(figure, place, title, values)
    return figure


def _bars(figure: Figure, place: int, title: str, values: Mapping[str, float]) -> None:
    axes = figure.add_subplot(1, 2, place + 1)
    names = list(values)
    bars = axes.barh(names, list(values.values()), color=[ACCENT if name == RANKER else PEER for name in names])
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8, color=INK)
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(labelsize=8, left=False, bottom=False, labelbottom=False, labelleft=place == 0)
    axes.set_xlim(0, max(values.values()) * 1.2)


def importance_plot(names: Sequence[str], gains: Sequence[float], top: int = 15) -> Figure:
    """The features that the winning model gained most from, as shares of all gain."""
    ordered = sorted(zip(gains, names, strict=True), reverse=True)[:top][::-1]
    total = sum(gains) or 1.0
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.add_subplot()
    axes.barh([name for _, name in ordered], [gain / total for gain, _ in ordered], color=ACCENT)
    axes.set_title("Share of the model's gain", fontsize=10, loc="left", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_formatter("{x:.0%}")
    return figure
