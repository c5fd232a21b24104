"""MLflow's SQLite store, read only: the tables `registered_model_aliases`, `model_versions`, `model_version_tags`.

Checked against MLflow 3.17 (`tests/integration/test_serving_registry.py` writes with MLflow and reads with this).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from model_serving.ports import RegisteredVersion
from model_serving.registry.files import copy_bundle, local_path
from shared_utils.errors import DataError, DependencyError

_TIMEOUT_SECONDS = 1.0
_VERSION = """
SELECT v.version, coalesce(v.storage_location, v.source)
FROM registered_model_aliases a JOIN model_versions v ON v.name = a.name AND v.version = a.version
WHERE a.name = ? AND a.alias = ?
"""
_TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"


class SqliteRegistry:
    """A registry in a file of this machine."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def resolve(self, name: str, alias: str) -> RegisteredVersion | None:
        """The version behind an alias, None when it is not set. Raises DependencyError."""
        try:
            uri = f"{self._path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_SECONDS)) as database:
                rows: list[Any] = database.execute(_VERSION, (name, alias)).fetchall()
                if not rows:
                    return None
                version, source = rows[0]
                tags = dict(database.execute(_TAGS, (name, version)).fetchall())
        except sqlite3.Error as exc:
            raise DependencyError(f"The registry {self._path} cannot be read ({exc}).", "Start MLflow once.") from exc
        return RegisteredVersion(name, str(version), source, tags)

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        """Copy the version's bundle. Raises DataError: it is not a file here."""
        path = local_path(version.source)
        if path is None:
            raise DataError(f"The bundle at {version.source} is not on this machine.", "Point serving at MLflow's URL.")
        copy_bundle(path, target)
