"""SQL on the lake (`make sql`): every table that exists, by its name, on a Sail of its own. See SQL.md.

`-c QUERY` answers one query; else queries are read until the end of the input, each ending with `;`. Reads the lake of
the setting `lake.root`: `SHOP_LAKE__ROOT=build/demo/lake make sql`. `--registered` asks the engine of the settings,
whose catalogue keeps the names for others, instead of a Sail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table as TextTable

from data_lake import engine, tables
from data_lake.catalog import TABLES
from data_lake.ddl import create_statements
from data_lake.storage import LakeRoot, root_of, sdk_variables
from shared_utils.cli import run_main
from shared_utils.errors import DataError, DependencyError
from shared_utils.local_stack import LocalStack
from shared_utils.settings import EngineSettings, Settings, load_settings


def register(session: SparkSession, lake_root: LakeRoot) -> None:
    """Name the tables that exist in the engine's catalogue; those that it names already stay as they are.

    Raises:
        DataError: there is none.
        DependencyError: the lake or the catalogue does not answer.
    """
    found = [table for table in TABLES if tables.exists(table, lake_root)]
    if not found:
        raise DataError(f"The lake at {lake_root} has no table.", "Run `make demo`, or set SHOP_LAKE__ROOT.")
    try:
        nameless = [table for table in found if not session.catalog.tableExists(table.full_name)]
        for statement in create_statements(nameless, lake_root):
            session.sql(statement).collect()
    except PySparkException as exc:
        raise DependencyError(
            f"The engine's catalogue does not answer ({_said(exc)}).",
            "Look into the log of the metastore: make logs s=hive-metastore.",
        ) from exc


@contextmanager
def own_sail(settings: Settings) -> Iterator[Settings]:
    """The settings with a Sail of one's own as engine, which ends afterwards."""
    stack = LocalStack(settings.run_dir / "sql", ["sail"])
    stack.set_environment(sdk_variables(root_of(settings)))
    with stack:
        yield settings.model_copy(update={"engine": EngineSettings(remote=f"sc://{stack.address('sail')}")})


def queries(lines: Iterable[str]) -> Iterator[str]:
    """What is typed, cut at the semicolons that end a line."""
    held: list[str] = []
    for line in lines:
        held.append(line.strip())
        if held[-1].endswith(";"):
            yield " ".join(held).strip(" ;")
            held.clear()


def main(argv: Sequence[str] | None = None) -> int:
    """Answer queries; 1 when the engine refuses the one of `-c`."""
    parser = argparse.ArgumentParser(prog="make sql", description=__doc__)
    parser.add_argument("-c", dest="query", metavar="QUERY", help="one query instead of a prompt")
    parser.add_argument("--limit", type=int, default=50, help="rows shown")
    parser.add_argument("--registered", action="store_true", help="on the engine of the settings, by its catalogue")
    arguments = parser.parse_args(argv)
    settings, console = load_settings(), Console(highlight=False)
    refused = False
    with nullcontext(settings) if arguments.registered else own_sail(settings) as used:
        session = engine.session(used)
        register(session, root_of(used))
        for query in [arguments.query] if arguments.query else queries(sys.stdin):
            try:
                console.print(_answer(session, query, arguments.limit))
            except PySparkException as exc:
                refused = True
                console.print(_said(exc), style="red", markup=False)
        engine.close()
    return int(refused and arguments.query is not None)


def _answer(session: SparkSession, query: str, limit: int) -> TextTable:
    frame = session.sql(query).limit(limit)
    text = TextTable(*frame.columns)
    for row in frame.collect():
        text.add_row(*("" if value is None else str(value) for value in row))
    return text


def _said(exc: PySparkException) -> str:
    """What the engine said, without where in its JVM."""
    return str(exc).partition("\n\nJVM stacktrace:")[0]


if __name__ == "__main__":
    run_main(main)
