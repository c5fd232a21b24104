"""MLflow's SQLite registry reduced to the three tables that serving reads (`test_serving_registry.py` uses MLflow)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ml_modeling.core.bundle import CHECKSUM_TAG, ModelBundle
from tests.fakes.serving import MODEL_NAME

_SCHEMA = """
CREATE TABLE IF NOT EXISTS model_versions (name TEXT, version INTEGER, source TEXT, storage_location TEXT);
CREATE TABLE IF NOT EXISTS model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER);
CREATE TABLE IF NOT EXISTS registered_model_aliases (alias TEXT, version INTEGER, name TEXT, PRIMARY KEY (name, alias));
"""


class RegistryFile:
    """A registry that a test fills, and can take away and bring back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mlflow.db"
        self._folder = folder
        self._versions = 0
        with closing(sqlite3.connect(self.path)) as database:
            database.executescript(_SCHEMA)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.path}"

    def register(self, bundle: ModelBundle) -> str:
        self._versions += 1
        folder = self._folder / f"v{self._versions}"
        digest = bundle.write(folder / "bundle.zip")
        with closing(sqlite3.connect(self.path)) as database, database:
            row = (MODEL_NAME, self._versions, str(folder), str(folder))
            database.execute("INSERT INTO model_versions VALUES (?, ?, ?, ?)", row)
            database.execute(
                "INSERT INTO model_version_tags VALUES (?, ?, ?, ?)", (CHECKSUM_TAG, digest, MODEL_NAME, self._versions)
            )
        return str(self._versions)

    def point(self, version: str) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            row = ("champion", int(version), MODEL_NAME)
            database.execute("INSERT OR REPLACE INTO registered_model_aliases VALUES (?, ?, ?)", row)

    def take_away(self) -> None:
        self.path.rename(self.path.with_suffix(".away"))
