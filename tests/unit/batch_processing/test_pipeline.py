from __future__ import annotations

from pathlib import Path

import pytest

from batch_processing.pipeline import load_pipeline
from batch_processing.run_pipeline import DEFAULT_CONFIG
from shared_utils.errors import ConfigurationError

GOOD = """name: test
steps:
  - name: silver
    job: join_bronze_to_silver
    reads: [bronze.click]
    writes: [silver.click]
  - name: views
    job: aggregate_product_views
    after: [silver]
    reads: [silver.click]
    writes: [gold.daily_product_views]
"""


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "pipeline.yml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_pipeline(path)
    return caught.value.message


def test_the_shipped_pipeline_is_valid_and_ordered() -> None:
    names = [step.name for step in load_pipeline(DEFAULT_CONFIG).ordered]
    assert names.index("silver") < names.index("customers") < names.index("products")


def test_the_example_is_valid(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yml").write_text(GOOD)
    assert [step.name for step in load_pipeline(tmp_path / "pipeline.yml").ordered] == ["silver", "views"]


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("job: aggregate_product_views", "job: aggregate_views", 8, "unknown job 'aggregate_views'"),
        ("reads: [silver.click]", "reads: [silver.clicks]", 10, "unknown table 'silver.clicks'"),
        ("[gold.daily_product_views]", "[gold.views]", 11, "unknown table 'gold.views'"),
        ("after: [silver]", "after: [sliver]", 9, "unknown step 'sliver'"),
        ("    after: [silver]\n", "", 9, "silver.click is written by 'silver'"),
        ("name: views", "name: silver", 7, "step 'silver' is there twice"),
        ("    after: [silver]", "    afer: [silver]", 9, "Extra inputs are not permitted"),
        ("    job: join_bronze_to_silver\n", "", 3, "Field required"),
        ("writes: [silver.click]", "writes: []", 6, "at least 1 item"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in GOOD
    message = refusal(tmp_path, GOOD.replace(old, new))
    assert f"line {line}, steps." in message
    assert what in message


def test_steps_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    circle = GOOD.replace("    job: join_bronze_to_silver", "    after: [views]\n    job: join_bronze_to_silver")
    assert "the steps wait for each other: silver -> views -> silver" in refusal(tmp_path, circle)


@pytest.mark.parametrize("text", ["", "steps: [", "name: x\nsteps: []\n", "- 1\n"])
def test_a_file_that_is_no_pipeline_is_refused(tmp_path: Path, text: str) -> None:
    assert "pipeline" in refusal(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_pipeline(tmp_path / "none.yml")
