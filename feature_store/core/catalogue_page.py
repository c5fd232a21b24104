"""The catalogue as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from feature_store.core.catalogue import Catalogue, LiveFeature, RankerInput, View

HEADER = """# Feature catalogue

Generated from `feature_store/features.yaml` by `python -m feature_store.catalogue --write`; do not edit.
`t` is the day of the query, `day` the day whose close a row describes (UTC epoch days); an order is a basket; money is
integer cents. Sums are kept as *state on change* and moved to the day of the query *on read*.
"""


def render(catalogue: Catalogue) -> str:
    """The whole page: one section per view, then the inputs of the ranker and the live features."""
    views = [_view_section(view) for view in catalogue.views]
    sections = [HEADER, *views, _inputs_section(catalogue.inputs), _live_section(catalogue.live)]
    return "\n".join(sections)


def _view_section(view: View) -> str:
    rows = [
        (f"`{view.feature_name(f.column)}`", _dtype(view, f.dtype), f.unit, f.window, f.formula, f.meaning, f.owner)
        for f in view.features
    ]
    facts = f"Entity: {view.entity}. Key: {', '.join(view.keys)}. Grain: {view.grain}. Online by Feast: "
    return "\n".join(
        [
            f"## {view.name}",
            "",
            view.description,
            facts + ("yes." if view.online else "no."),
            "",
            _table(("feature", "dtype", "unit", "window", "formula", "meaning", "owner"), rows),
        ]
    )


def _inputs_section(inputs: Sequence[RankerInput]) -> str:
    rows = [
        (f"`{e.name}`", e.entity, "float32", e.unit, e.window, e.source, e.formula, e.meaning, e.owner) for e in inputs
    ]
    return "\n".join(
        [
            "## Inputs of the ranker",
            "",
            "Derived on read from the stored features by `ml_modeling/core/features.py`, one function for training and",
            "serving. An input that shares its name with a stored feature is that feature at the day of the query.",
            "",
            _table(("input", "entity", "dtype", "unit", "window", "view", "formula", "meaning", "owner"), rows),
        ]
    )


def _live_section(features: Sequence[LiveFeature]) -> str:
    rows = [(f"`{f.name}`", f.dtype, f.unit, f.window, f.source, f.formula, f.meaning, f.owner) for f in features]
    return "\n".join(
        [
            "## Live features",
            "",
            "Read from Redis by `feature_store/online_store/live_reader.py`, defined in",
            "`feature_store/core/live_windows.py`. `t` is the instant of the query; a minute of event time is in a",
            "window w when its first instant lies in [t - w, t): always whole minutes, the running one included.",
            "",
            _table(("feature", "dtype", "unit", "window", "topic", "formula", "meaning", "owner"), rows),
        ]
    )


def _dtype(view: View, dtype: str) -> str:
    return f"{dtype}[]" if view.arrays_of else dtype


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
