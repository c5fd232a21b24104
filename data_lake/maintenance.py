"""Look after a table without an engine: compact its files, remove what no version needs, show its history.

Reads, writes: one table of the catalogue. Vacuum never removes files that a reader inside the retention may still use.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table as TextTable

from data_lake import tables
from data_lake.catalog import TABLES, Table
from data_lake.storage import root_of
from data_lake.tables import open_delta
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError, DataError
from shared_utils.settings import Settings, load_settings

MINIMUM_RETENTION_HOURS: Final = 168
BY_NAME: Final = {table.full_name: table for table in TABLES}


def optimize(table: DeltaTable) -> tuple[int, int]:
    """Compact small files; gives (files removed, files added). The content stays."""
    metrics = table.optimize.compact()
    return int(metrics["numFilesRemoved"]), int(metrics["numFilesAdded"])


def vacuum(table: DeltaTable, retention_hours: int, *, dry_run: bool) -> list[str]:
    """Remove files that no version younger than `retention_hours` needs; gives their names.

    Raises:
        ConfigurationError: the retention is shorter than a week: a running reader could lose its files.
    """
    if retention_hours < MINIMUM_RETENTION_HOURS:
        raise ConfigurationError(
            f"A retention of {retention_hours} h is below the minimum of {MINIMUM_RETENTION_HOURS} h.",
            f"Give --retention-hours {MINIMUM_RETENTION_HOURS} or more.",
        )
    return list(table.vacuum(retention_hours=retention_hours, dry_run=dry_run))


def open_table(table: Table, settings: Settings) -> DeltaTable:
    """The table's log.

    Raises:
        DataError: the table does not exist yet.
    """
    if not tables.exists(table, root_of(settings)):
        raise DataError(f"{table.full_name} does not exist.", "Run the job that writes it first.")
    return open_delta(table, root_of(settings))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one maintenance action on one table."""
    parser = argparse.ArgumentParser(prog="data_lake.maintenance", description=__doc__)
    parser.add_argument("action", choices=("optimize", "vacuum", "history"))
    parser.add_argument("--table", choices=sorted(BY_NAME), required=True, metavar="LAYER.NAME")
    parser.add_argument("--retention-hours", type=int, default=MINIMUM_RETENTION_HOURS)
    parser.add_argument("--dry-run", action="store_true", help="vacuum: name the files, remove none")
    arguments = parser.parse_args(argv)
    table = open_table(BY_NAME[arguments.table], load_settings())
    console = Console(highlight=False, soft_wrap=True)
    if arguments.action == "optimize":
        removed, added = optimize(table)
        console.print(f"{arguments.table}: {removed} files compacted into {added}")
    elif arguments.action == "vacuum":
        files = vacuum(table, arguments.retention_hours, dry_run=arguments.dry_run)
        console.print(f"{arguments.table}: {len(files)} files {'to remove' if arguments.dry_run else 'removed'}")
    else:
        console.print(_history(table))
    return 0


def _history(table: DeltaTable) -> TextTable:
    text = TextTable("version", "at", "operation")
    for commit in table.history():
        at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC).isoformat(timespec="seconds")
        text.add_row(str(commit.get("version", "")), at, str(commit.get("operation", "")))
    return text


if __name__ == "__main__":
    run_main(main)
