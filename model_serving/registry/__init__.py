"""The MLflow registry, read without MLflow: importing it takes seconds and half a gigabyte of packages.

The alias in MLflow is the one source of truth. Over HTTP it is read by MLflow's REST API; on one machine, where MLflow
keeps it in SQLite, by a read-only query of the same rows. A pointer file that the gate writes beside the registry was
the alternative: it would be a second truth, and an alias moved by hand in MLflow's UI would not reach it.
"""

from __future__ import annotations

from model_serving.ports import ModelRegistry
from model_serving.registry.rest import RestRegistry
from model_serving.registry.sqlite import SqliteRegistry
from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT

_SQLITE = "sqlite:///"


def open_registry(tracking_uri: str, username: str = "", password: str = "") -> ModelRegistry:
    """The adapter for a tracking URI; a user name where the server asks for one.

    Raises:
        ConfigurationError: neither http(s) nor sqlite.
    """
    if tracking_uri.startswith(("http://", "https://")):
        return RestRegistry(tracking_uri, (username, password) if username else None)
    if tracking_uri.startswith(_SQLITE):
        return SqliteRegistry(str(REPO_ROOT / tracking_uri.removeprefix(_SQLITE)))  # as training does; absolute stays
    raise ConfigurationError(
        f"Serving cannot read a registry at '{tracking_uri}'.",
        "Set SHOP_MLFLOW__TRACKING_URI to http(s) or sqlite:///.",
    )
