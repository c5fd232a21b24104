"""The faults and the bad inputs that the platform promises to survive, by their stable ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the promise. A test belongs to it when its name begins `test_<id>_`, in small letters."""

    id: str
    name: str
    expected: str


NAIVE: Final = "M1"
"""The mutant: it must turn the ledger red."""

FAULTS: Final = (
    Fault("F1", "producer killed in mid-file", "ids stable, no gap, order kept; copies end as duplicates"),
    Fault("F2", "broker killed", "what was acknowledged is there; the rest waits on disk and goes first"),
    Fault("F4", "Spark driver killed", "ledger 0 lost, 0 duplicated"),
    Fault("F5", "checkpoint truncated or deleted", "refused by a named error with its runbook, nothing written"),
    Fault("F6", "Flink TaskManager, JobManager, writer killed", "features, visits and alerts equal brute force"),
    Fault("F8", "eight writers of one table on S3", "every row once, versions without a gap"),
    Fault("F10", "Airflow's scheduler and workers, or a task killed", "retried; tables equal an undisturbed run's"),
    Fault("F11", "the same interval run twice", "equal tables and an equal model"),
    Fault("F13", "Redis dead", "answers degrade inside 150 ms, the writer waits; nothing is lost"),
    Fault("F14", "Redis frozen", "as when it is dead; threads and sockets do not leak"),
    Fault("F15", "Redis flushed", "marked, then filled again from lake and Kafka, coverage 100 %"),
    Fault("F16", "object store down", "writers wait, no table is partial, nothing lost or doubled"),
    Fault("F27", "one of five producers 10 min ahead", "its events flagged, the others neither late nor refused"),
    Fault("F28", "disk full", "writes wait or are refused, tables readable, 0 lost after space returns"),
    Fault("B1", "not JSON, truncated, not UTF-8, empty, null, BOM", "all in the DLQ, silver unchanged"),
    Fault("B2", "mutated fields", "accepted set = schema-valid set"),
    Fault("B3", "deep nesting, repeated keys, 5 MB", "refused, under 50 MB of memory"),
    Fault("B4", "poison pill: valid, but crashes a step", "3 tries, DLQ PROCESSING, the others go on"),
    Fault("B5", "duplicates and near duplicates", "first wins, conflicts counted ID_CONFLICT"),
    Fault("B6", "out of order up to 10 min", "as in order"),
    Fault("B7", "later than the watermark", "set aside and counted, repaired by batch"),
    Fault("B8", "future, 1970, other time zones", "refused; the others stay in time"),
    Fault("B9", "evolved schemas", "additive flows, breaking is blocked"),
    Fault(NAIVE, "mutant: a sink without transaction ids", "the ledger turns red and names the doubled ids"),
)
