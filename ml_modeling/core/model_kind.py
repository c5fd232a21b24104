"""The ranker libraries, apart from `ranker` so that the export may name them and the ranker may use the export."""

from __future__ import annotations

from enum import StrEnum


class ModelKind(StrEnum):
    """Library that produced a model."""

    LIGHTGBM = "lightgbm"
    XGBOOST = "xgboost"
