"""Command: write the catalogue page, or check that it is fresh.

Reads: feature_store/features.yaml. Writes: feature_store/CATALOGUE.md (with --write).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from feature_store.core.catalogue import load_catalogue
from feature_store.core.catalogue_page import render
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError

PAGE = Path(__file__).resolve().parent / "CATALOGUE.md"


def is_fresh(page: Path = PAGE) -> bool:
    """Whether the page on disk is what the catalogue renders to."""
    return page.is_file() and page.read_text(encoding="utf-8") == render(load_catalogue())


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the page.

    Raises:
        ConfigurationError: the catalogue is not valid, or --check found a stale page.
    """
    parser = argparse.ArgumentParser(prog="python -m feature_store.catalogue", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write CATALOGUE.md")
    mode.add_argument("--check", action="store_true", help="fail when CATALOGUE.md is stale")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page (default: feature_store/CATALOGUE.md)")
    arguments = parser.parse_args(argv)
    if arguments.write:
        arguments.page.write_text(render(load_catalogue()), encoding="utf-8")
    elif not is_fresh(arguments.page):
        raise ConfigurationError(
            f"{arguments.page.name} is stale.", "Run `python -m feature_store.catalogue --write` and commit it."
        )
    catalogue = load_catalogue()
    features = sum(len(view.features) for view in catalogue.views)
    inputs, live = len(catalogue.inputs), len(catalogue.live)
    Console().print(f"{len(catalogue.views)} views, {features} features, {inputs} ranker inputs, {live} live features")
    return 0


if __name__ == "__main__":
    run_main(main)
