"""The verdict: one line a proof, in the terminal and as a page that needs nothing else to be read."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from production_ops.proofs.result import ProofResult

_STYLE = """
:root{color-scheme:light dark;--ink:#16202c;--soft:#5b6875;--line:#d8dee5;--paper:#fff;--good:#0b7a4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){
:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#2c3742;--paper:#12181f;--good:#4cc38a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.7rem;margin:0}h2{margin:2.5rem 0 .75rem;font-size:1.15rem}
p{color:var(--soft);max-width:46rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.5rem .75rem .5rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.85rem}
.PASS{color:var(--good);font-weight:700}.FAIL{color:var(--bad);font-weight:700}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));gap:1.5rem}figure{margin:0}
figure svg{width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:6px}
figcaption{color:var(--soft);font-size:.9rem}.wide{overflow-x:auto}
"""


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure of the page: its caption and its SVG text."""

    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the page: a title, the column heads and the rows, all text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def print_verdict(results: Sequence[ProofResult], console: Console) -> None:
    """Print the verdict table, then the findings of what failed."""
    table = Table(title="Verdict", title_justify="left", show_lines=False, pad_edge=False)
    table.add_column("proof", style="bold", ratio=3)
    table.add_column("figure", ratio=5)
    table.add_column("bound", ratio=3)
    table.add_column("", width=4)
    for result in results:
        colour = "green" if result.passed else "red"
        table.add_row(result.name, result.figure, result.bound, f"[{colour}]{result.word}[/]")
    console.print(table)
    for result in results:
        for finding in () if result.passed else result.findings:
            console.print(f"  {result.name}: {finding}", style="red", markup=False)


def write_page(
    path: Path,
    *,
    facts: Mapping[str, str],
    results: Sequence[ProofResult],
    sections: Sequence[Section],
    plots: Sequence[Plot],
) -> None:
    """Write the self-contained page: verdict, plots, tables; no script, no outside file."""
    passed = sum(result.passed for result in results)
    verdict = Section(
        "Verdict",
        ("proof", "figure", "bound", ""),
        [(r.name, r.figure, r.bound, r.word) for r in results],
    )
    lead = " · ".join(f"{html.escape(key)} {html.escape(value)}" for key, value in facts.items())
    body = [
        f"<h1>{passed} of {len(results)} proofs hold</h1><p>{lead}</p>",
        _table(verdict),
        *(
            f"<p class=FAIL>{html.escape(r.name)}: {html.escape(f)}</p>"
            for r in results
            if not r.passed
            for f in r.findings
        ),
        "<h2>What it looks like</h2><div class=plots>",
        *(f"<figure>{plot.svg}<figcaption>{html.escape(plot.caption)}</figcaption></figure>" for plot in plots),
        "</div>",
        *(_table(section) for section in sections),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Demo verdict: {passed} of {len(results)}</title><style>{_STYLE}</style>"
        f"<main>{''.join(body)}</main></html>\n"
    )


def _table(section: Section) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in section.heads)
    rows = "".join(
        "<tr>"
        + "".join(f"<td class='{cell if cell in ('PASS', 'FAIL') else ''}'>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in section.rows
    )
    return f"<h2>{html.escape(section.title)}</h2><div class=wide><table><tr>{head}</tr>{rows}</table></div>"
