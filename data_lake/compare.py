"""Whether two tables hold the same rows, and which rows differ first: stream against batch, Spark against Sail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from data_lake import tables
from data_lake.catalog import Table
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from shared_utils.errors import DataError

EXAMPLES: Final = 5


@dataclass(frozen=True)
class Differences:
    """What separates two tables; counts are of keys. `examples` holds the first differing rows, left and right."""

    left_rows: int
    right_rows: int
    only_left: int
    only_right: int
    changed: int
    repeated_keys: int
    columns: tuple[str, ...]
    changed_columns: tuple[str, ...]
    examples: tuple[dict[str, Any], ...]

    @property
    def equal(self) -> bool:
        """Whether the tables agree in columns, keys and values, and no key stands twice."""
        return not (self.only_left or self.only_right or self.changed or self.repeated_keys or self.columns)

    def __str__(self) -> str:
        if self.equal:
            return f"equal, {self.left_rows} rows"
        return (
            f"{self.left_rows} against {self.right_rows} rows: "
            f"{self.only_left} only left, {self.only_right} only right, "
            f"{self.changed} changed in {list(self.changed_columns)}, {self.repeated_keys} repeated keys, "
            f"columns on one side {list(self.columns)}; first: {list(self.examples)}"
        )


def read_table(table: Table, lake_root: LakeRoot, where: pc.Expression | None = None) -> pa.Table:
    """A catalogue table as Arrow, filtered.

    Raises:
        DataError: the table does not exist.
    """
    if not tables.exists(table, lake_root):
        raise DataError(f"{table.full_name} does not exist under {lake_root}.", "Run the job that writes it first.")
    dataset = open_delta(table, lake_root).to_pyarrow_dataset()
    rows: pa.Table = dataset.to_table(filter=where)
    return rows


def compare(
    left: pa.Table, right: pa.Table, key: Sequence[str], float_rel: float = 0.0, *, ignore: Sequence[str] = ()
) -> Differences:
    """The differences of two tables whose rows are named by `key`.

    Floats agree when |l - r| <= `float_rel` x max(|l|, |r|), everything else when it is equal; nulls equal nulls.
    `ignore` names columns that may differ (a wall-clock stamp).
    """
    left, right = (side.drop_columns([n for n in ignore if n in side.column_names]) for side in (left, right))
    lonely = tuple(sorted(set(left.column_names) ^ set(right.column_names)))
    values = [n for n in left.column_names if n in right.column_names and n not in key]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("l", left)
        connection.register("r", right)
        repeated = sum(_repeated(connection, side, key) for side in ("l", "r"))
        connection.execute(_joined_sql(left.schema, key, values, float_rel))
        only_left, only_right = _counts(connection, "only_left"), _counts(connection, "only_right")
        changed = _counts(connection, "changed_in IS NOT NULL AND len(changed_in) > 0")
        names = connection.execute("SELECT DISTINCT unnest(changed_in) AS name FROM joined ORDER BY name").fetchall()
        examples = _examples(connection, key)
    return Differences(
        left.num_rows,
        right.num_rows,
        only_left,
        only_right,
        changed,
        repeated,
        lonely,
        tuple(name for (name,) in names),
        examples,
    )


def content_hash(rows: pa.Table, key: Sequence[str]) -> str:
    """SHA-256 over the rows in order of `key`, columns by name: equal content, equal hash, whatever the files."""
    ordered = rows.select(sorted(rows.column_names)).sort_by([(name, "ascending") for name in key]).combine_chunks()
    digest = hashlib.sha256(str(ordered.schema.remove_metadata()).encode())
    for name in ordered.column_names:
        column = ordered[name].combine_chunks()
        # What lies in the slot of a null is not part of the content.
        plain = pc.fill_null(column, pa.scalar(0).cast(column.type)) if _has_slots(column.type) else column
        for part in (pc.is_valid(column), plain):
            digest.update(pa.record_batch([_one_chunk(part)], [name]).serialize())
    return digest.hexdigest()


def _has_slots(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _repeated(connection: duckdb.DuckDBPyConnection, side: str, key: Sequence[str]) -> int:
    names = _names(key)
    return _one(connection, f"SELECT count(*) FROM (SELECT 1 FROM {side} GROUP BY {names} HAVING count(*) > 1)")  # noqa: S608


def _joined_sql(schema: pa.Schema, key: Sequence[str], values: Sequence[str], float_rel: float) -> str:
    """One row per key of either side; `changed_in` lists the columns that differ."""
    on = " AND ".join(f'l."{name}" IS NOT DISTINCT FROM r."{name}"' for name in key)
    differs = [_differs(name, schema.field(name).type, float_rel) for name in values]
    changed = f"list_filter([{', '.join(differs)}], lambda x: x IS NOT NULL)" if differs else "[]::VARCHAR[]"
    inside = f"CASE WHEN l.here AND r.here THEN {changed} END"
    return f"""
        CREATE TEMP TABLE joined AS
        SELECT r.here IS NULL AS only_left, l.here IS NULL AS only_right, {inside} AS changed_in,
            {", ".join(f'coalesce(l."{n}", r."{n}") AS "{n}"' for n in key)}, l AS left_row, r AS right_row
        FROM (SELECT *, true AS here FROM l) l FULL JOIN (SELECT *, true AS here FROM r) r ON {on}
        WHERE l.here IS NULL OR r.here IS NULL OR len({changed}) > 0
    """  # noqa: S608 (column names of the tables themselves)


def _differs(name: str, kind: pa.DataType, float_rel: float) -> str:
    left, right = f'l."{name}"', f'r."{name}"'
    condition = f"{left} IS DISTINCT FROM {right}"
    if pa.types.is_floating(kind) and float_rel:
        far = f"abs({left} - {right}) > {float_rel!r} * greatest(abs({left}), abs({right}))"
        condition += f" AND coalesce({far}, true)"
    return f"CASE WHEN {condition} THEN '{name}' END"


def _counts(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    return _one(connection, f"SELECT count(*) FROM joined WHERE {condition}")  # noqa: S608


def _examples(connection: duckdb.DuckDBPyConnection, key: Sequence[str]) -> tuple[dict[str, Any], ...]:
    query = f"SELECT changed_in, left_row, right_row FROM joined ORDER BY {_names(key)} LIMIT {EXAMPLES}"  # noqa: S608
    return tuple(_example(key, *row) for row in connection.execute(query).fetchall())


def _example(
    key: Sequence[str], changed_in: list[str] | None, left: dict[str, Any] | None, right: dict[str, Any] | None
) -> dict[str, Any]:
    """The key and the differing columns; the whole row when only one side has it."""
    there = left if left and left["here"] else right
    shown = changed_in or [name for name in (there or {}) if name != "here" and name not in key]
    sides = {"left": left if left and left["here"] else None, "right": right if right and right["here"] else None}
    values = {side: row and {name: row[name] for name in shown} for side, row in sides.items()}
    return {"key": tuple((there or {})[name] for name in key), **values}


def _names(key: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in key)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])
