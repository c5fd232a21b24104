"""Generates the types in `contracts/generated` from the schemas: `python -m contracts.generate [--check]`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from contracts.generation.fields import event_schemas
from contracts.generation.flink_ddl import flink_module
from contracts.generation.pydantic_models import models_module
from contracts.generation.spark_ddl import spark_module
from contracts.registry import CONTRACTS_DIR

GENERATED_DIR: Final = CONTRACTS_DIR / "generated"


def generated_files() -> Mapping[str, str]:
    """The text of each generated file by name; a pure function of the schema and topic files."""
    events = list(event_schemas())
    return {
        "models.py": models_module(events),
        "spark_schemas.py": spark_module(events),
        "flink_ddl.py": flink_module(events),
    }


def drifted(directory: Path = GENERATED_DIR) -> list[str]:
    """Names of the files whose text is not what the schemas give, missing ones among them."""
    return [name for name, text in generated_files().items() if _read(directory / name) != text]


def write(directory: Path = GENERATED_DIR) -> list[str]:
    """Write the files that differ and name them."""
    names = drifted(directory)
    for name in names:
        (directory / name).write_text(generated_files()[name], encoding="utf-8")
    return names


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(argv: Sequence[str] | None = None) -> int:
    """Write the generated files, or with --check only compare: 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs from the schemas")
    parser.add_argument("--out", type=Path, default=GENERATED_DIR, help="folder of the generated files")
    arguments = parser.parse_args(argv)
    names = drifted(arguments.out) if arguments.check else write(arguments.out)
    verdict = "differ from the schemas" if arguments.check else "written"
    Console().print(f"contracts: {', '.join(names)} {verdict}" if names else "contracts: generated files are current")
    return 1 if arguments.check and names else 0


if __name__ == "__main__":
    from shared_utils.cli import run_main

    run_main(main)
