"""Names that people read beside a recommended product."""

from __future__ import annotations

from data_lake.catalog import PRODUCT
from data_lake.storage import LakeRoot
from data_lake.tables import open_delta
from feature_store.snapshots import connect
from ml_modeling.core.states import IntArray


def product_labels(lake_root: LakeRoot, product_ids: IntArray) -> dict[int, tuple[str, str]]:
    """Product id to (product type, category) in readable case, for the given ids."""
    with connect() as con:
        con.register("product", open_delta(PRODUCT, lake_root).to_pyarrow_dataset())
        con.register("wanted", {"product_id": product_ids})
        rows = con.execute(
            "SELECT product_id, coalesce(product_type, 'Product'), coalesce(product_category, department, '') "
            "FROM product SEMI JOIN wanted USING (product_id) ORDER BY product_id"
        ).fetchall()
    return {int(product): (kind.capitalize(), category.capitalize()) for product, kind, category in rows}
