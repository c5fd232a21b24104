"""Refuses breaking changes of published contracts: `python -m contracts.check_published [--publish]`.

`contracts/published` holds the schemas and topics as they were last released. A breaking change needs a new version
(another schema file and another topic); an additive one is released by --publish.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from contracts.compatibility import Breaking, BreakingRule, check, check_topic
from contracts.registry import CONTRACTS_DIR, load_schema, load_topics
from shared_utils.errors import ContractError

PUBLISHED_DIR: Final = CONTRACTS_DIR / "published"
_KINDS: Final = (("schemas", "*.schema.json"), ("topics", "*.yaml"))


def breaking_changes(current: Path = CONTRACTS_DIR, published: Path = PUBLISHED_DIR) -> list[tuple[str, Breaking]]:
    """The breaking changes from the published to the current contracts, each with the name of its schema or topic."""
    return [*_schema_changes(current, published), *_topic_changes(current, published)]


def unpublished(current: Path = CONTRACTS_DIR, published: Path = PUBLISHED_DIR) -> list[str]:
    """Files under `current`, relative to it, whose released copy is missing or differs."""
    files = [path.relative_to(current) for kind, glob in _KINDS for path in sorted((current / kind).glob(glob))]
    return [str(name) for name in files if not _equal(current / name, published / name)]


def publish(current: Path = CONTRACTS_DIR, published: Path = PUBLISHED_DIR) -> list[str]:
    """Release what differs. Raises ContractError while a change is breaking."""
    if changes := breaking_changes(current, published):
        raise ContractError(f"{len(changes)} changes break published contracts.", "Add a new version instead.")
    names = unpublished(current, published)
    for name in names:
        (published / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(current / name, published / name)
    return names


def _schema_changes(current: Path, published: Path) -> Iterator[tuple[str, Breaking]]:
    for path in sorted((published / "schemas").glob("*.schema.json")):
        stem = path.name.removesuffix(".schema.json")
        if not (current / "schemas" / path.name).exists():
            yield stem, Breaking(BreakingRule.CONTRACT_REMOVED, "$", "the schema is gone")
            continue
        for change in check(load_schema(stem, path.parent), load_schema(stem, current / "schemas")):
            yield stem, change


def _topic_changes(current: Path, published: Path) -> Iterator[tuple[str, Breaking]]:
    topics = load_topics(current / "topics")
    for name, old in load_topics(published / "topics").items():
        if name not in topics:
            yield name, Breaking(BreakingRule.CONTRACT_REMOVED, "$", "the topic is gone")
            continue
        for change in check_topic(old, topics[name]):
            yield name, change


def _equal(current: Path, published: Path) -> bool:
    return published.exists() and current.read_bytes() == published.read_bytes()


def main(argv: Sequence[str] | None = None) -> int:
    """Name every breaking change: 1 if there is one, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publish", action="store_true", help="release additive changes")
    arguments = parser.parse_args(argv)
    console, changes = Console(highlight=False, soft_wrap=True), breaking_changes()
    for name, change in changes:
        console.print(f"{name}: {change.rule} {change.path}: {change.detail}", markup=False)
    if changes:
        return 1
    names, state = (publish(), "published") if arguments.publish else (unpublished(), "not yet published (additive)")
    console.print(f"contracts: nothing breaks the published versions; {state}: {', '.join(names) or 'none'}")
    return 0


if __name__ == "__main__":
    from shared_utils.cli import run_main

    run_main(main)
