"""Makes what Airflow must find before its servers start: secrets, the database's tables, the pools. Idempotent.

Reads: configs/pools.json, Airflow's configuration (its home, its database).
Writes: <AIRFLOW_HOME>/secrets/, readable by the owner alone; the database. Runs in the airflow environment.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

import structlog
from airflow.configuration import AIRFLOW_HOME
from airflow.models.pool import Pool
from airflow.utils import db
from cryptography.fernet import Fernet

from shared_utils.cli import run_main
from shared_utils.settings import REPO_ROOT, load_settings

log = structlog.get_logger(__name__)

POOLS = REPO_ROOT / "airflow_orchestration" / "configs" / "pools.json"
ADMIN = "admin"
_BYTES = 32


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is missing; what is there stays."""
    home = Path(AIRFLOW_HOME)
    make_secrets(home / "secrets", load_settings().airflow.admin_password.get_secret_value())
    db.initdb()
    for name, pool in json.loads(POOLS.read_text(encoding="utf-8")).items():
        Pool.create_or_update_pool(name, pool["slots"], pool["description"], pool["include_deferred"])
    (home / "ready").touch()
    log.info("airflow_ready", home=str(home))
    return 0


def make_secrets(folder: Path, admin_password: str) -> None:
    """The admin's password and the keys that Airflow's processes share, each in a file of mode 600.

    A password that is given counts at once; else one is made and stays.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = folder / "passwords.json"
    _write_once(passwords, _passwords(secrets.token_urlsafe(_BYTES)))
    if admin_password:
        passwords.write_text(_passwords(admin_password), encoding="utf-8")
    _write_once(folder / "fernet_key", Fernet.generate_key().decode())
    for name in ("jwt_secret", "api_secret_key"):
        _write_once(folder / name, secrets.token_urlsafe(2 * _BYTES))


def _passwords(admin: str) -> str:
    return json.dumps({ADMIN: admin}) + "\n"


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_main(main)
