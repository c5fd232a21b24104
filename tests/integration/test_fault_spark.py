"""F4, F28: the Spark driver dies over and over, the disk is full; the ledger balances. M1: without ids it does not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from contracts.topics_names import SHOP_TOPICS
from data_lake import catalog
from production_ops.ledger.model import Stage, Word
from shared_utils.local_stack import LocalStack
from tests.fakes.fault_plan import SEED, size, whole_only
from tests.fakes.replayed_shop import KILLED, LAKE_STAGES, ReplayedShop, first_differences, told
from tests.fakes.small_disk import SmallDisk, small_disk

pytestmark = [pytest.mark.kafka, pytest.mark.spark, whole_only, pytest.mark.timeout(1_700)]

Note = Callable[[str, object], None]
DRIVER = "tests.fakes.killed_stream"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ReplayedShop]:
    with LocalStack(tmp_path, ["kafka"]) as stack:
        yield ReplayedShop.make(stack, tmp_path)


def test_f4_a_driver_killed_between_its_writes_loses_and_doubles_nothing(
    shop: ReplayedShop, record_property: Note
) -> None:
    rng, wanted, kills, sent = random.Random(SEED), size(2, 20), 0, shop.sent()
    parts = [sent[n * len(sent) // wanted : (n + 1) * len(sent) // wanted] for n in range(wanted)]
    for part in parts:
        shop.send(part)
        ended = shop.spark(DRIVER, str(rng.randint(1, 9)))
        assert ended.returncode in (KILLED, 0), ended.stderr[-3_000:]
        kills += ended.returncode == KILLED
    while kills < wanted:  # a draw beyond the last write killed nothing
        ended = shop.spark(DRIVER, "1")
        assert ended.returncode == KILLED, ended.stderr[-3_000:]
        kills += 1
    assert shop.ledger(*LAKE_STAGES).count(Word.LOST) > 0  # the control: the last kill left something unwritten
    drained = shop.drain()
    assert drained.returncode == 0, drained.stderr[-3_000:]
    result = shop.ledger(*LAKE_STAGES)
    record_property("kills", kills)
    record_property("ledger", told(result))
    assert result.balanced, first_differences(result)


def test_m1_a_sink_without_transaction_ids_turns_the_ledger_red(shop: ReplayedShop, record_property: Note) -> None:
    shop.send(shop.sent())
    # Each stream writes up to five tables: after eight writes some are in the lake that the replay writes again.
    killed = shop.spark(DRIVER, "8", "naive")
    assert killed.returncode == KILLED, killed.stderr[-3_000:]
    ended = shop.spark(DRIVER, "1000", "naive")
    assert ended.returncode == 0, ended.stderr[-3_000:]
    result = shop.ledger(*LAKE_STAGES)
    record_property("ledger", told(result))
    silver = next(stage for stage in result.stages if stage.stage is Stage.SILVER)
    assert not result.balanced
    assert silver.count(Word.DUPLICATED) > 0
    assert all(difference.ids for difference in silver.differences)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", megabytes=24) as disk:
        yield disk


def test_f28_a_full_disk_under_the_lake_stops_the_stream_and_loses_nothing(
    shop: ReplayedShop, disk: SmallDisk, record_property: Note
) -> None:
    on_disk = {"SHOP_LAKE__ROOT": str(disk.folder / "lake")}
    sent = shop.sent()
    shop.send(sent[: len(sent) // 2])
    first = shop.drain(**on_disk)
    assert first.returncode == 0, first.stderr[-3_000:]
    before = _rows(disk)
    shop.send(sent[len(sent) // 2 :])
    disk.fill(leave_kib=4)
    refused = shop.drain(**on_disk)
    assert refused.returncode != 0
    assert "No space left" in refused.stderr + refused.stdout
    full = _rows(disk)  # every table can still be read, and has lost nothing
    assert all(full[name] >= count for name, count in before.items())
    disk.free()
    again = shop.drain(**on_disk)
    assert again.returncode == 0, again.stderr[-3_000:]
    result = shop.ledger(*LAKE_STAGES, lake=disk.folder / "lake")
    record_property("ledger", told(result))
    assert result.balanced, first_differences(result)


def _rows(disk: SmallDisk) -> dict[str, int]:
    tables = [catalog.BRONZE_OF_TOPIC[topic] for topic in SHOP_TOPICS]
    tables += [catalog.SILVER_CLICK, catalog.SILVER_PAYMENT, catalog.QUARANTINE]
    return {table.full_name: DeltaTable(table.path(disk.folder / "lake")).count() for table in tables}
