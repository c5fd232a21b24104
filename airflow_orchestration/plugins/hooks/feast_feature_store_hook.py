"""What the feature store last put online."""

from __future__ import annotations

import json
from typing import Any, Final

from airflow.sdk import BaseHook

from shared_utils.settings import REPO_ROOT, load_settings

FEAST_JOB: Final = "feature_store.materialize"


class FeastFeatureStoreHook(BaseHook):
    """The feature store's own record: Feast is not in this environment, and no task needs it here."""

    def last_materialization(self) -> dict[str, Any] | None:
        """As-of instant, table versions and counts of the last materialization; None before the first."""
        path = REPO_ROOT / load_settings().run_dir / "feature_store" / "materialization.json"
        if not path.exists():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
