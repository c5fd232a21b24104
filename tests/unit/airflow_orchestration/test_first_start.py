"""The secrets of Airflow's first start, made in its own environment."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shared_utils.environments import airflow_python
from shared_utils.settings import REPO_ROOT, process_environment

MAKE = """
import json, sys
from pathlib import Path
from airflow_orchestration.first_start import make_secrets
folder, *passwords = sys.argv[1:]
for password in passwords:
    make_secrets(Path(folder), password)
    print(json.dumps({path.name: path.read_text() for path in Path(folder).iterdir()}))
"""
Starts = list[dict[str, str]]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Starts]:
    def run(*passwords: str) -> Starts:
        done = subprocess.run(
            [str(airflow_python()), "-c", MAKE, str(tmp_path / "secrets"), *passwords],
            cwd=REPO_ROOT,
            env={**process_environment(), "AIRFLOW_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()[-len(passwords) :]]

    return run


def admin(secrets: dict[str, str]) -> str:
    return str(json.loads(secrets["passwords.json"])["admin"])


def test_s14_without_a_password_one_is_made_and_stays(start: Callable[..., Starts], tmp_path: Path) -> None:
    first, again = start("", "")

    assert len(admin(first)) >= 32
    assert again == first
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_s14_a_given_password_counts_at_once_and_the_keys_stay(start: Callable[..., Starts], tmp_path: Path) -> None:
    made, given, kept, other = start("", "from-the-stack", "", "another")

    assert [admin(given), admin(kept), admin(other)] == ["from-the-stack", "from-the-stack", "another"]
    assert {**other, "passwords.json": ""} == {**made, "passwords.json": ""}
    assert stat.S_IMODE((tmp_path / "secrets" / "passwords.json").stat().st_mode) == 0o600
