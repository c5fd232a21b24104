"""Opens the Feast store of a run: renders its configuration, applies the definitions over a set of snapshots.

Writes: <run_dir>/feature_store/repo/feature_store.yaml and <run_dir>/feature_store/registry.db; with
`feast -c <run_dir>/feature_store/repo …` Feast's own command reads the same registry.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from string import Template

from feature_store import quick_feast  # noqa: F401

# isort: split
from feast import FeatureStore

from feature_store.basket_memory import MEMORY, write_basket_memory
from feature_store.core.catalogue import load_catalogue
from feature_store.feature_repo.definitions import definitions
from feature_store.online_store.client import WRITE_TIMEOUT_MS
from feature_store.snapshots import Snapshots

TEMPLATE = Path(__file__).resolve().parent / "feature_repo" / "feature_store.yaml"


def open_store(run_dir: Path, redis_url: str, snapshots: Snapshots, as_of: datetime) -> FeatureStore:
    """A Feast store whose views read `snapshots`; the basket memory is the one of `as_of`. Connects to nothing."""
    # Feast reports every look at its registry.
    logging.getLogger("feast").setLevel(logging.WARNING)
    sources = {**snapshots.paths, MEMORY: write_basket_memory(snapshots, as_of)}
    store = FeatureStore(repo_path=str(render_repo(run_dir, redis_url)))
    store.apply(definitions(load_catalogue(), sources))
    return store


@contextmanager
def ibis_muted() -> Iterator[None]:
    """No warning for a method that DuckDB 2.0 renamed and Ibis 12, which Feast reads through, still calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
        yield


def render_repo(run_dir: Path, redis_url: str) -> Path:
    """Write the Feast configuration of a run; readable by its owner only, as the Redis URL may hold a password."""
    home = run_dir.resolve() / "feature_store"
    repo = home / "repo"
    repo.mkdir(parents=True, exist_ok=True)
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        registry=home / "registry.db", redis_url=redis_url, timeout_ms=WRITE_TIMEOUT_MS
    )
    path = repo / "feature_store.yaml"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return repo
