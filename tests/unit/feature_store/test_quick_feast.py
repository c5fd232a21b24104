"""Feast is imported without the rewriting of its classes, and nobody else's classes are concerned."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import typeguard
mark = typeguard.typechecked
{first}
import feast
print(typeguard.typechecked is mark, "TypeCheckMemo" in feast.FeatureView.__init__.__code__.co_names)
"""


def imported_after(first: str) -> str:
    done = subprocess.run([sys.executable, "-c", CODE.format(first=first)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_feast_comes_as_it_was_written() -> None:
    assert imported_after("import feature_store.store") == "True False"


def test_without_it_feast_comes_rewritten() -> None:
    assert imported_after("") == "True True"
