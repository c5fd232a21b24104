"""The event ledger: where every record that was produced ended, by its Kafka coordinate.

A record's fate is decided by the generator and read here only. The lake is read through `deltalake`, the topics
through a consumer of this module's caller: nothing of the streaming code is used, so a defect there cannot hide
itself. Each coordinate must end in exactly one of silver, quarantine, late and duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from data_lake import catalog
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from production_ops.proofs.result import ProofResult

ENDS = ("silver", "quarantine", "late", "duplicate")
_SHOWN = 5
_SILVER = {
    "shop.click.v1": catalog.SILVER_CLICK,
    "shop.transaction.v1": catalog.TRANSACTION_LINE,
    "shop.payment.v1": catalog.SILVER_PAYMENT,
    "shop.inventory.v1": catalog.SILVER_INVENTORY,
}


@dataclass(frozen=True, slots=True)
class Produced:
    """A record as a consumer found it in Kafka, with the producer's own number for it."""

    topic: str
    partition: int
    offset: int
    spool_id: int


def balance(lake_root: LakeRoot, produced: Iterable[Produced], fates: pa.Table) -> ProofResult:
    """Compare the intended fate of every produced record with where it ended.

    Args:
        lake_root: the lake whose silver, quarantine, late and duplicate tables are read.
        produced: every record in the shop topics (topic, partition, offset, producer's number).
        fates: `spool_id`, `topic`, `event_id`, `fate` (`silver`, `late`, `duplicate`, `quarantine:<REASON>`).
    """
    with duckdb.connect() as con:
        con.register("fates", fates)
        con.register("produced", _as_table(produced))
        con.register("ended", _ended(lake_root))
        con.execute(_REPAIRED)
        con.execute(_JOIN)
        findings = [finding for query in _DIFFERENCES for finding in _findings(con, query)]
        counts: dict[str, int] = {
            name: int(n)
            for name, n in con.execute("SELECT actual, count(*) FROM joined GROUP BY actual").fetchall()
            if name
        }
        sent = _count(con, "SELECT count(*) FROM fates")
        differences = sum(_count(con, f"SELECT count(*) FROM ({query.sql})") for query in _DIFFERENCES)  # noqa: S608
    parts = " + ".join(f"{counts.get(end, 0):,} {end}" for end in ENDS)
    return ProofResult(
        name="event ledger",
        figure=f"{sent:,} = {parts}; difference {differences}",
        bound="difference 0",
        passed=differences == 0 and sent == sum(counts.get(end, 0) for end in ENDS),
        findings=tuple(findings),
        numbers={"produced": sent, "difference": differences, **{end: counts.get(end, 0) for end in ENDS}},
    )


@dataclass(frozen=True, slots=True)
class _Difference:
    word: str
    sql: str


# A repair folds late rows into silver and keeps the record of their lateness: one end, not two.
_REPAIRED = """
CREATE TABLE settled AS
SELECT e.* FROM ended e LEFT JOIN (SELECT DISTINCT topic, partition, "offset" FROM ended WHERE fate = 'late') l
    ON e.topic = l.topic AND e.partition = l.partition AND e."offset" = l."offset"
WHERE e.fate <> 'silver' OR l.topic IS NULL
"""
_JOIN = """
CREATE TABLE joined AS
SELECT f.spool_id, f.topic, f.event_id, f.fate,
       p.partition, p.offset, count(e.fate) AS ends, min(e.fate) AS ended,
       split_part(min(e.fate), ':', 1) AS actual
FROM fates f
LEFT JOIN produced p ON p.spool_id = f.spool_id
LEFT JOIN settled e ON e.topic = p.topic AND e.partition = p.partition AND e.offset = p.offset
GROUP BY ALL
"""
_DIFFERENCES: Sequence[_Difference] = (
    _Difference("lost before Kafka", "SELECT * FROM joined WHERE partition IS NULL"),
    _Difference("lost after Kafka", "SELECT * FROM joined WHERE partition IS NOT NULL AND ends = 0"),
    _Difference("counted twice", "SELECT * FROM joined WHERE ends > 1"),
    _Difference("misrouted", "SELECT * FROM joined WHERE ends = 1 AND ended <> fate"),
    _Difference(
        "without a producer",
        """SELECT NULL AS spool_id, e.topic, NULL AS event_id, NULL AS fate, e.partition, e.offset, 1 AS ends,
                  e.fate AS ended, NULL AS actual
           FROM settled e
           ANTI JOIN produced p ON e.topic = p.topic AND e.partition = p.partition AND e.offset = p.offset""",
    ),
    _Difference("produced twice", "SELECT spool_id, topic FROM produced GROUP BY spool_id, topic HAVING count(*) > 1"),
)


def _findings(con: duckdb.DuckDBPyConnection, difference: _Difference) -> list[str]:
    rows: pa.Table = con.sql(f"SELECT * FROM ({difference.sql}) LIMIT {_SHOWN}").to_arrow_table()  # noqa: S608
    return [
        f"{difference.word}: " + ", ".join(f"{key}={value}" for key, value in row.items() if value is not None)
        for row in rows.to_pylist()
    ]


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _as_table(produced: Iterable[Produced]) -> pa.Table:
    rows = list(produced)
    return pa.table(
        {
            "topic": pa.array([row.topic for row in rows], pa.string()),
            "partition": pa.array([row.partition for row in rows], pa.int32()),
            "offset": pa.array([row.offset for row in rows], pa.int64()),
            "spool_id": pa.array([row.spool_id for row in rows], pa.int64()),
        }
    )


def _ended(lake_root: LakeRoot) -> pa.Table:
    """Every end of every coordinate: `topic`, `partition`, `offset`, `fate`; a row written twice stands twice."""
    with duckdb.connect() as con:
        parts: list[pa.Table] = []
        for topic, table in _SILVER.items():
            con.register("rows", _columns(table, lake_root, _silver_columns(table)))
            parts.append(con.sql(_SILVER_ENDS[table is catalog.TRANSACTION_LINE], params=[topic]).to_arrow_table())
        for table, fate in (
            (catalog.QUARANTINE, "'quarantine:' || reason"),
            (catalog.LATE_EVENT, "'late'"),
            (catalog.DUPLICATE_EVENT, "'duplicate'"),
        ):
            columns = ["topic", "partition", "offset", *(["reason"] if table is catalog.QUARANTINE else [])]
            con.register("rows", _columns(table, lake_root, columns))
            parts.append(
                con.sql(
                    f'SELECT topic, partition::INTEGER AS partition, "offset", {fate} AS fate FROM rows '  # noqa: S608
                    "WHERE partition >= 0"
                ).to_arrow_table()
            )
    return pa.concat_tables([part.cast(parts[0].schema) for part in parts])


# A transaction has a row a line: written twice, each of its lines stands twice, so the lines are counted by number.
_SILVER_ENDS = {
    False: "SELECT ? AS topic, kafka_partition::INTEGER AS partition, kafka_offset AS \"offset\", 'silver' AS fate "
    "FROM rows WHERE kafka_partition >= 0",
    True: 'SELECT DISTINCT ? AS topic, kafka_partition::INTEGER AS partition, kafka_offset AS "offset", '
    "'silver' AS fate, row_number() OVER (PARTITION BY kafka_partition, kafka_offset, line_number) AS copy "
    "FROM rows WHERE kafka_partition >= 0",
}
_SILVER_ENDS[True] = f'SELECT topic, partition, "offset", fate FROM ({_SILVER_ENDS[True]})'  # noqa: S608


def _silver_columns(table: catalog.Table) -> list[str]:
    line = ["line_number"] if table is catalog.TRANSACTION_LINE else []
    return ["kafka_partition", "kafka_offset", *line]


def _columns(table: catalog.Table, lake_root: LakeRoot, columns: list[str]) -> pa.Table:
    return open_delta(table, lake_root).to_pyarrow_table(columns=columns)
