"""`config/installation.env`: the secrets of one installation, and the Monday on which its live weeks end.

Written at the first start, readable by its owner alone, never changed: a later version's new secrets are added.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

_HEAD: Final = (
    "# This installation's secrets; made by `make up`. Lost with its volumes (`make clean`), never committed.\n"
)
_BYTES: Final = 32
_OWNER_ALONE: Final = 0o600
LIVE_WEEKS: Final = 2
"""As `calendar.live_weeks` of config/default_config.yaml."""


def _secret() -> str:
    return secrets.token_hex(_BYTES)


def _access_key() -> str:
    return secrets.token_hex(10)


def live_end(today: date) -> date:
    """The Monday on which the live weeks end, when they began on the last Monday: history ends this week."""
    return today - timedelta(days=today.weekday()) + timedelta(weeks=LIVE_WEEKS)


def makers(today: date) -> Mapping[str, Callable[[], str]]:
    """What stands in the file, and how each value is made."""
    return {
        "STACK_LIVE_END": lambda: live_end(today).isoformat(),
        "SHOP_AUTH__SECRET": _secret,
        "REDIS_PASSWORD": _secret,
        "POSTGRES_PASSWORD": _secret,
        "MLFLOW_DB_PASSWORD": _secret,
        "MONITOR_DB_PASSWORD": _secret,
        "AIRFLOW_DB_PASSWORD": _secret,
        "METASTORE_DB_PASSWORD": _secret,
        "AIRFLOW_ADMIN_PASSWORD": _secret,
        "MLFLOW_ADMIN_USERNAME": lambda: "admin",
        "MLFLOW_ADMIN_PASSWORD": _secret,
        "MLFLOW_FLASK_SECRET": _secret,
        "S3_ACCESS_KEY": _access_key,
        "S3_SECRET_KEY": _secret,
        "S3_READER_ACCESS_KEY": _access_key,
        "S3_READER_SECRET_KEY": _secret,
        "S3_MLFLOW_ACCESS_KEY": _access_key,
        "S3_MLFLOW_SECRET_KEY": _secret,
    }


def read(path: Path) -> dict[str, str]:
    """The values of an env file; none when it does not exist."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def ensure(path: Path, today: date) -> list[str]:
    """Make what the file lacks; the names of what was made. What stands there stays as it is."""
    known = read(path)
    made = {name: make() for name, make in makers(today).items() if not known.get(name)}
    if made:
        _write(path, known | made)
    elif stat.S_IMODE(path.stat().st_mode) != _OWNER_ALONE:
        path.chmod(_OWNER_ALONE)
    return list(made)


def _write(path: Path, values: Mapping[str, str]) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(_HEAD)
        stream.writelines(f"{name}={value}\n" for name, value in values.items())
    partial.replace(path)
