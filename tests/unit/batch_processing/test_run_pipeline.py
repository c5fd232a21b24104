from __future__ import annotations

from datetime import date

import pytest

from batch_processing.interval import Interval
from batch_processing.pipeline import Pipeline, Step, load_pipeline
from batch_processing.run_pipeline import DEFAULT_CONFIG, command_line, main, plan, run_steps
from shared_utils.errors import ConfigurationError
from shared_utils.settings import Settings

DAYS = Interval(date(2026, 1, 1), date(2026, 1, 3))


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load_pipeline(DEFAULT_CONFIG)


def test_the_archive_is_off_until_it_is_enabled(pipeline: Pipeline) -> None:
    assert "archive" not in [step.name for step in plan(pipeline)]
    assert "archive" in [step.name for step in plan(pipeline, enable=["archive"])]
    assert "products" not in [step.name for step in plan(pipeline, disable=["products"])]


def test_an_unknown_step_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigurationError, match="Unknown steps: goods"):
        plan(pipeline, disable=["goods"])


def test_a_job_gets_the_interval_and_its_own_arguments(pipeline: Pipeline) -> None:
    archive = next(step for step in pipeline.steps if step.name == "archive")
    words = command_line(archive, DAYS, {"archive": "/data"})
    assert words == ["--start", "2026-01-01", "--end", "2026-01-03", "--archive", "/data"]
    with pytest.raises(ConfigurationError, match="needs a value for 'archive'"):
        command_line(archive, DAYS, {})


def test_every_shipped_step_parses_before_the_first_one_runs(pipeline: Pipeline) -> None:
    bad = Step(name="bad", job="output_to_gold", reads=(), writes=("gold.product_features",), arguments={"weeks": 1})
    with pytest.raises(SystemExit):
        next(run_steps([pipeline.steps[0], bad], DAYS, Settings(env="test"), {}))


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        main(["--start", "2026-01-02", "--end", "2026-01-02"])
