"""What serving could see of a customer's live features at a past instant, read from the lake.

Training rows and the parity check start here: the same records in the same order as in Redis, windows by the same
`core/live_windows.py`. Reads: bronze customer_feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pyarrow.dataset import field

from data_lake import tables
from data_lake.bronze_rows import RECORD_COLUMNS, received_rows
from data_lake.catalog import BRONZE_CUSTOMER_FEATURE
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.core.live_packing import stamp_of, unpack_customer_minutes
from feature_store.core.live_windows import CustomerMinutes
from feature_store.online_store.live_records import CustomerMinute, update_of
from feature_store.online_store.live_store import RETAINED_MINUTES


def customer_minutes_as_of(lake_root: LakeRoot, customer_id: int, known_by: datetime) -> CustomerMinutes | None:
    """The minutes of a customer by the records that stood in Redis at `known_by`; None where there were none.

    `ingest_time` is noted just after Redis has taken a batch: a read within the same few milliseconds may have seen a
    record that this leaves out.
    """
    newest: dict[int, bytes] = {}
    for update in _updates(lake_root, customer_id, known_by):
        held = newest.get(update.minute)
        if held is None or stamp_of(update.blob) > stamp_of(held):
            newest[update.minute] = update.blob
    last = max(newest, default=0)
    kept = {minute: blob for minute, blob in newest.items() if minute > last - RETAINED_MINUTES}
    return unpack_customer_minutes(kept) if kept else None


def _updates(lake_root: LakeRoot, customer_id: int, known_by: datetime) -> Iterator[CustomerMinute]:
    if not tables.exists(BRONZE_CUSTOMER_FEATURE, lake_root):
        return
    rows = open_delta(BRONZE_CUSTOMER_FEATURE, lake_root).to_pyarrow_dataset()
    wanted = (field("key") == str(customer_id)) & (field("ingest_time") <= known_by)
    for batch in rows.to_batches(columns=list(RECORD_COLUMNS), filter=wanted):
        for record in received_rows(batch):
            update = update_of(record)
            if isinstance(update, CustomerMinute):
                yield update
