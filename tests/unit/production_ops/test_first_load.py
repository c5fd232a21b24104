"""The first load ends where the live weeks begin, and reads nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from data_sources.calendar import Calendar
from production_ops.first_load import __main__ as first_load
from production_ops.first_load.__main__ import FirstWorld, stages
from shared_utils.settings import CalendarSettings, load_settings

CALENDAR = Calendar.from_settings(CalendarSettings(live_end=date(2026, 12, 7)))


def test_history_ends_on_the_monday_on_which_the_live_weeks_begin() -> None:
    world = FirstWorld(Path("/run/shop"), CALENDAR)

    assert world.as_of == world.cutoff == date(2026, 11, 23)
    assert world.copurchase_days[-1] == world.as_of
    assert len(set(world.copurchase_days)) == len(world.copurchase_days)


def test_no_step_needs_a_stream() -> None:
    world = FirstWorld(Path("/run/shop"), CALENDAR, 400)
    names = [step.name for _, steps in stages(world, load_settings()) for step in steps]

    assert "Kafka into the lake" not in names
    assert names[-1] == "recommender trained"


def test_the_first_model_has_clicks_to_learn_from() -> None:
    """Without them it has no second stage, and no click moves a shelf."""
    world = FirstWorld(Path("/run/shop"), CALENDAR, 400)
    history = next(steps for title, steps in stages(world, load_settings()) if title == "History into the lake")
    clicks = next(step for step in history if step.name == "past clicks into silver")

    assert isinstance(clicks.run, Sequence)
    words = " ".join(map(str, clicks.run))
    assert "--start 2026-11-09 --end 2026-11-24 --topic shop.click.v1" in words


def test_a_loaded_stack_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_load, "load_settings", lambda: load_settings().model_copy(update={"run_dir": tmp_path}))
    monkeypatch.setattr(first_load, "load", lambda *_: pytest.fail("loaded again"))
    (tmp_path / "first_load.json").write_text('{"as_of": "2026-11-23"}')

    assert first_load.main([]) == 0
