"""F1 and F2: the producer dies in mid-file, the broker dies under it; the ledger says what came of every record."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from production_ops.ledger.model import Stage, Word
from shared_utils.local_stack import LocalStack
from tests.fakes.fault_plan import SEED, size, whole_only
from tests.fakes.replayed_shop import ReplayedShop, first_differences, kill_group, told
from tests.fakes.serving_process import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

Note = Callable[[str, object], None]
# The replay's fifteen days in about five seconds: a kill meets it at work.
SPEED = str(15 * 86_400 // 5)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ReplayedShop]:
    with LocalStack(tmp_path, ["kafka"]) as stack:
        yield ReplayedShop.make(stack, tmp_path)


def test_f1_a_producer_killed_in_mid_file_loses_nothing_and_keeps_ids_and_order(
    shop: ReplayedShop, record_property: Note
) -> None:
    rng, kills, total = random.Random(SEED), size(3, 20), len(shop.sent())
    for _ in range(kills):
        target = shop.in_kafka() + rng.randint(1, total // 2)
        sender = shop.start_sender("--speed", SPEED)
        wait_until(lambda: shop.in_kafka() >= target, "some records", 60)  # noqa: B023 (called here and now)
        assert sender.poll() is None, "it ended before it was killed"
        kill_group(sender)
    half_way = shop.ledger(Stage.KAFKA, copies_allowed=True)
    assert half_way.count(Word.LOST) > 0  # the control: the kills did leave records unsent
    shop.finish_sending()
    result = shop.ledger(Stage.KAFKA, copies_allowed=True)
    kafka = result.stages[0]
    record_property("kills", kills)
    record_property("ledger", told(result))
    record_property("copies in Kafka", kafka.copies)
    assert not kafka.differences, first_differences(result)
    assert kafka.accounted == total
    assert kafka.copies > 0
    # A copy bears the same bytes under the same id: what silver needs to tell it.
    values: dict[int, set[bytes | None]] = {}
    for seen in (seen for topic in shop.seen().values() for seen in topic if seen.number is not None):
        values.setdefault(seen.number or 0, set()).add(seen.value)
    assert all(len(each) == 1 for each in values.values())


@whole_only
def test_f2_a_broker_killed_under_a_replay_loses_nothing(tmp_path: Path, record_property: Note) -> None:
    rng, kills = random.Random(SEED), size(1, 5)
    with LocalStack(tmp_path, ["kafka"]) as stack:
        shop = ReplayedShop.make(stack, tmp_path, SHOP_KAFKA__DELIVERY_TIMEOUT_MS="4000")
        total, waited = len(shop.sent()), 0
        for _ in range(kills):
            target = min(shop.in_kafka() + rng.randint(1, total // (kills + 1)), total - 1)
            sender = shop.start_sender("--speed", str(15 * 86_400 // 30))
            wait_until(lambda: shop.in_kafka() >= target, "some records", 60)  # noqa: B023 (called here and now)
            stack.kill("kafka")
            assert sender.wait(60) == 4  # it says that the broker is away, and keeps what was not delivered
            waited += len((shop.folder / "spool" / "replay-live.ndjson").read_bytes().splitlines())
            stack.restart("kafka")
        shop.finish_sending()
        result = shop.ledger(Stage.KAFKA, copies_allowed=True)
        record_property("kills", kills)
        record_property("kept on disk meanwhile", waited)
        record_property("ledger", told(result))
        assert not result.stages[0].differences, first_differences(result)
        assert waited > 0
