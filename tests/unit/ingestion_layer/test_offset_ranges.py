from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingestion_layer.kafka.offset_ranges import advance, decode, encode

OFFSETS = st.sets(st.integers(0, 60))


@given(OFFSETS)
def test_the_text_gives_the_set_back(offsets: set[int]) -> None:
    assert decode(encode(offsets)) == offsets


def test_runs_are_written_as_ranges() -> None:
    assert encode([3, 1, 2, 7, 7, 9, 10]) == "1-3,7,9-10"
    assert encode([]) == ""


@given(st.integers(0, 60), OFFSETS)
def test_advancing_neither_forgets_nor_invents_an_offset(position: int, done: set[int]) -> None:
    moved, left = advance(position, done)

    known = set(range(moved)) | left
    assert known == set(range(position)) | done | set(range(moved))
    assert set(range(position, moved)) <= done
    assert moved not in left
