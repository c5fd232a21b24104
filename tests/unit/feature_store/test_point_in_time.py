from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.core.catalogue import View, load_catalogue
from feature_store.point_in_time import asof_join, register_effective
from feature_store.snapshots import connect
from tests.fakes.point_in_time import QUERIES, ROWS, as_dicts, brute_force, feature_rows, queries, write_rows

CONNECTION = connect()
VIEWS = [load_catalogue().view(name) for name in ("customer_features", "customer_product_features")]


@settings(max_examples=50, deadline=None)
@given(st.lists(ROWS, min_size=len(VIEWS), max_size=len(VIEWS)), QUERIES)
def test_the_asof_join_is_the_brute_force_join(
    drawn: list[list[tuple[int, int, int, int]]], asked: list[tuple[int, int, int]]
) -> None:
    views = {view.name: (view, feature_rows(view, rows)) for view, rows in zip(VIEWS, drawn, strict=True)}
    assert _asof(views, asked) == brute_force(views, queries(asked))


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        (-1, None),
        (0, 0),  # on time
        (4, 0),  # the row of hour 2 is not known yet
        (5, 1),  # now it is
        (6, 2),  # its correction
        (7, 3),  # a newer event
        (12, 3),  # the late row of hour 1 changes nothing any more
    ],
)
def test_late_and_corrected_rows_count_from_when_they_became_known(hour: int, expected: int | None) -> None:
    view = VIEWS[0]
    rows = feature_rows(view, [(1, 1, 0, 0), (1, 1, 2, 3), (1, 1, 2, 4), (1, 1, 7, 0), (1, 1, 1, 10)])
    answer = _asof({view.name: (view, rows)}, [(1, 1, hour)])
    assert answer[0][view.feature_names[0]] == expected


def test_a_join_on_event_time_alone_would_leak() -> None:
    view = VIEWS[0]
    rows = feature_rows(view, [(1, 1, 2, 9)])
    leaking = [{**row, "created_timestamp": row["event_timestamp"]} for row in rows]
    assert brute_force({view.name: (view, rows)}, queries([(1, 1, 4)])) != _asof(
        {view.name: (view, leaking)}, [(1, 1, 4)]
    )


def test_a_snapshot_that_was_taken_again_is_read_again(tmp_path: Path) -> None:
    view, path = VIEWS[0], tmp_path / "snapshot.parquet"
    counts = []
    for rows in ([(1, 1, 0, 0)], [(1, 1, 0, 0), (1, 1, 2, 0)]):
        write_rows(view, feature_rows(view, rows), path)
        register_effective(CONNECTION, view, path)
        counts.append(len(CONNECTION.table(view.name)))
    assert counts == [1, 2]


def _asof(
    views: dict[str, tuple[View, list[dict[str, object]]]], asked: list[tuple[int, int, int]]
) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        for view, rows in views.values():
            write_rows(view, rows, Path(folder) / f"{view.name}.parquet")
            register_effective(CONNECTION, view, Path(folder) / f"{view.name}.parquet")
        entities = queries(asked)
        joined = asof_join(CONNECTION, entities, [view for view, _ in views.values()], "event_timestamp")
    assert joined[["customer_id", "product_id", "event_timestamp"]].equals(entities)
    return as_dicts(joined, [name for view, _ in views.values() for name in view.feature_names])
