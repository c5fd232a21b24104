from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_utils.errors import ConfigurationError
from shared_utils.records import Record
from shared_utils.spool import Spool

KEPT = [Record("t", str(number).encode(), b"\xff\x00", number, {"schema_version": b"1"}) for number in range(3)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "deep" / "shop.ndjson")
    yield spool
    spool.close()


def test_a_new_spool_is_empty(spool: Spool) -> None:
    assert spool.read() == []


def test_records_come_back_in_order(spool: Spool) -> None:
    spool.replace(KEPT)

    assert spool.read() == KEPT


def test_replacing_forgets_what_was_kept_before(spool: Spool) -> None:
    spool.replace(KEPT)
    spool.replace(KEPT[2:])

    assert spool.read() == KEPT[2:]


def test_with_nothing_to_keep_no_file_is_left(spool: Spool) -> None:
    spool.replace(KEPT)
    spool.replace([])

    assert [path.name for path in spool.path.parent.iterdir()] == ["shop.lock"]


def test_a_second_owner_is_refused_until_the_first_closes(spool: Spool) -> None:
    with pytest.raises(ConfigurationError, match="Another producer named 'shop'"):
        Spool(spool.path)
    spool.close()
    Spool(spool.path).close()
