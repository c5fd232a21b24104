"""The first start makes every secret once, for the owner's eyes alone; the checks before it say what is wrong."""

from __future__ import annotations

import socket
import stat
from datetime import date
from pathlib import Path

import pytest

from production_ops.compose_stack import first_start, preflight
from shared_utils.settings import load_settings

TODAY = date(2026, 11, 28)  # a Saturday
GIB = 1024**3


def test_s14_every_secret_is_made_once_and_differs_from_installation_to_installation(tmp_path: Path) -> None:
    one, two = tmp_path / "one.env", tmp_path / "two.env"
    names = first_start.ensure(one, TODAY)
    first_start.ensure(two, TODAY)

    before = one.read_bytes()
    assert first_start.ensure(one, date(2027, 1, 1)) == []
    assert one.read_bytes() == before
    assert set(names) == set(first_start.makers(TODAY))
    secret = [name for name in names if name not in ("STACK_LIVE_END", "MLFLOW_ADMIN_USERNAME")]
    values = [first_start.read(path)[name] for path in (one, two) for name in secret]
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 20


def test_s14_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "installation.env"
    first_start.ensure(path, TODAY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    path.chmod(0o644)
    first_start.ensure(path, TODAY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_secret_joins_those_of_an_older_version(tmp_path: Path) -> None:
    path = tmp_path / "installation.env"
    first_start.ensure(path, TODAY)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("S3_SECRET_KEY=")]
    path.write_text("\n".join([*lines, "OWN=kept", ""]))
    before = first_start.read(path)

    assert first_start.ensure(path, TODAY) == ["S3_SECRET_KEY"]
    after = first_start.read(path)
    assert len(after.pop("S3_SECRET_KEY")) == 64
    assert after == before


@pytest.mark.parametrize("today", [date(2026, 11, 23), TODAY, date(2026, 11, 29)])
def test_the_live_weeks_began_on_the_last_monday(today: date) -> None:
    assert first_start.live_end(today) == date(2026, 12, 7)
    assert load_settings().calendar.live_weeks == first_start.LIVE_WEEKS


def test_no_engine_or_an_old_compose_is_said_first() -> None:
    assert preflight.engine_faults("28.2.2\n", "2.26.1-4\n") == []
    assert "no Docker engine" in preflight.engine_faults("", "2.26.1")[0]
    assert "2.20.3" in preflight.engine_faults("28.2.2", "v2.20.3")[0]
    assert "is missing" in preflight.engine_faults("28.2.2", "")[0]


def test_too_little_room_is_said_with_a_remedy() -> None:
    assert preflight.room_faults(["core"], 8 * GIB, 20 * GIB) == []
    memory, disk = preflight.room_faults(["core"], 1 * GIB, 2 * GIB)
    assert memory.startswith("1.0 GiB of memory are free")
    assert disk.startswith("2.0 GiB of disk are free")


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert preflight.port_faults([port]) == [
            f"port {port} is taken. Free it, or set another STACK_ port in config/compose.env."
        ]
    assert preflight.port_faults([port]) == []
