from __future__ import annotations

from pathlib import Path

import pytest

from data_lake.catalog import TABLES
from feature_store import catalogue
from feature_store.core.catalogue import CATALOGUE_FILE, load_catalogue, parse_catalogue
from feature_store.core.catalogue_page import render
from feature_store.snapshots import SOURCES
from ml_modeling.core.features import FEATURE_NAMES
from shared_utils.errors import ConfigurationError


def test_the_page_is_fresh() -> None:
    assert catalogue.is_fresh()


def test_check_refuses_a_stale_page(tmp_path: Path) -> None:
    page = tmp_path / "CATALOGUE.md"
    page.write_text(render(load_catalogue()).replace("cents", "dollars"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="stale"):
        catalogue.main(["--check", "--page", str(page)])
    assert catalogue.main(["--write", "--page", str(page)]) == 0
    assert catalogue.main(["--check", "--page", str(page)]) == 0


def test_every_input_of_the_ranker_is_described_and_no_other() -> None:
    assert sorted(entry.name for entry in load_catalogue().inputs) == sorted(FEATURE_NAMES)


def test_every_feature_is_described_in_full() -> None:
    page = catalogue.PAGE.read_text(encoding="utf-8")
    for view in load_catalogue().views:
        for name, feature in zip(view.feature_names, view.features, strict=True):
            assert f"| `{name}` |" in page
            assert all((feature.unit, feature.window, feature.formula, feature.meaning, feature.owner))


def test_every_view_has_a_gold_table() -> None:
    assert set(SOURCES) | {"customer_basket_memory"} == {view.name for view in load_catalogue().views}
    assert {table.layer for table in SOURCES.values()} == {"gold"}
    assert set(SOURCES.values()) <= set(TABLES)


def test_feature_names_are_unique_over_all_views() -> None:
    names = [name for view in load_catalogue().views for name in view.feature_names]
    assert len(names) == len(set(names))


def test_the_memory_repeats_the_pair_view() -> None:
    pair, memory = (load_catalogue().view(n) for n in ("customer_product_features", "customer_basket_memory"))
    assert memory.columns == ("product_id", *(c for c in pair.columns if c != "day"))
    described = {f.column: f.dtype for f in pair.features}
    assert all(f.dtype == described[f.column] for f in memory.features if f.column != "product_id")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("column: orders_7d", "column: orders_28d"),
        ("unit: cents, ", ""),
        ("dtype: int64", "dtype: text"),
        ("from: product_features", "from: nowhere"),
        ("views:", "views: ["),
    ],
)
def test_a_faulty_catalogue_is_refused(old: str, new: str) -> None:
    text = CATALOGUE_FILE.read_text(encoding="utf-8")
    with pytest.raises(ConfigurationError, match="catalogue is not valid"):
        parse_catalogue(text.replace(old, new, 1))
