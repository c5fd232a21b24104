"""Fills the online store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_orchestration.plugins.hooks.feast_feature_store_hook import FEAST_JOB, FeastFeatureStoreHook
from airflow_orchestration.plugins.operators.platform_job_operator import PlatformJobOperator


class FeastMaterializeOperator(PlatformJobOperator):
    """Puts online what was known at the midnight that opens `as_of`. Gives the record of what it did.

    The events of its outlet assets carry `as_of`: a DAG that they start knows up to which day gold is fresh.
    """

    template_fields = (*PlatformJobOperator.template_fields, "as_of")

    def __init__(self, *, as_of: str, **kwargs: Any) -> None:
        super().__init__(module=FEAST_JOB, arguments=["--as-of", as_of], **kwargs)
        self.as_of = as_of

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any] | None:
        """Materialize. Raises as `PlatformJobOperator.execute`."""
        super().execute(context)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"as_of": self.as_of}
        return FeastFeatureStoreHook().last_materialization()
