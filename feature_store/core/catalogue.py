"""The feature catalogue as typed data: `features.yaml` is the one place where a feature is described."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from shared_utils.errors import ConfigurationError

CATALOGUE_FILE = Path(__file__).resolve().parent.parent / "features.yaml"

Entity = Literal["customer", "product", "customer_product"]
Dtype = Literal["int32", "int64", "float32", "float64"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_min_length=1)


class Feature(_Entry):
    """One stored column of a feature view."""

    column: str
    dtype: Dtype
    unit: str
    window: str
    formula: str
    meaning: str
    owner: str


class View(_Entry):
    """One feature view: its key, its columns, and whether Feast knows and materializes it.

    `arrays_of` names the view whose columns (and product id) this one holds as parallel arrays.
    """

    name: str
    entity: Entity
    keys: tuple[str, ...]
    prefix: str
    feast: bool
    online: bool
    owner: str
    grain: str
    description: str
    arrays_of: str | None = None
    features: tuple[Feature, ...]

    def feature_name(self, column: str) -> str:
        """The name of a column as a feature: unique over all views, `<entity>_<measure>_<window>`."""
        return f"{self.prefix}_{column}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in stored order."""
        return tuple(feature.column for feature in self.features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Feature names in stored order."""
        return tuple(self.feature_name(column) for column in self.columns)


class RankerInput(_Entry):
    """One float32 input of a model, derived on read from stored features."""

    name: str
    entity: Entity
    unit: str
    window: str
    source: str
    formula: str
    meaning: str
    owner: str


class LiveFeature(_Entry):
    """One feature of the live path: computed on read from the minutes of a topic, stored nowhere as such."""

    name: str
    entity: Entity
    dtype: Literal["int64", "int64[]"]
    unit: str
    window: str
    source: str
    formula: str
    meaning: str
    owner: str


class Catalogue(_Entry):
    """All feature views, all model inputs and all live features."""

    views: tuple[View, ...]
    inputs: tuple[RankerInput, ...]
    live: tuple[LiveFeature, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Catalogue:
        stored = [name for view in self.views for name in view.feature_names]
        stored += [feature.name for feature in self.live]
        derived = [entry.name for entry in self.inputs]
        for names in (stored, derived):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"described twice: {', '.join(twice)}")
        unknown = {entry.source for entry in self.inputs} - {view.name for view in self.views}
        if unknown:
            raise ValueError(f"inputs name unknown views: {', '.join(sorted(unknown))}")
        return self

    def view(self, name: str) -> View:
        """The view of that name. Raises KeyError."""
        return {view.name: view for view in self.views}[name]


def parse_catalogue(text: str) -> Catalogue:
    """A catalogue from YAML text.

    Raises:
        ConfigurationError: an entry lacks a field, or a feature is described twice.
    """
    try:
        raw = yaml.safe_load(text)
        views = _expand_views(raw["views"])
        inputs = [{"owner": "machine-learning", **_renamed(entry, "from", "source")} for entry in raw.get("inputs", [])]
        live = [feature for entry in raw.get("live", []) for feature in _expand_live(entry)]
        return Catalogue.model_validate({"views": views, "inputs": inputs, "live": live})
    except (ValidationError, KeyError, TypeError, yaml.YAMLError) as exc:
        raise ConfigurationError(
            f"The feature catalogue is not valid ({exc}).", "Correct feature_store/features.yaml."
        ) from exc


@cache
def load_catalogue() -> Catalogue:
    """The platform's catalogue, read once."""
    return parse_catalogue(CATALOGUE_FILE.read_text(encoding="utf-8"))


def _renamed(entry: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in entry.items()}


def _expand_live(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    shared = {name: value for name, value in entry.items() if name not in ("measure", "windows")}
    feature = {"owner": "machine-learning", **_renamed(shared, "from", "source")}
    names = {window: f"{entry['entity']}_{entry['measure']}_{window}" for window in entry["windows"]}
    return [{**feature, "name": name, "window": window} for window, name in names.items()]


def _expand_views(raw: list[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = {view["name"]: view for view in raw}
    return [{**view, "features": _expand_features(view, columns)} for view in raw]


def _expand_features(view: dict[str, Any], views: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    owner = {"owner": view["owner"]}
    if "arrays_of" not in view:
        return [{**owner, **feature} for feature in view["features"]]
    product = {
        "column": "product_id",
        "dtype": "int64",
        "unit": "id",
        "window": "all time",
        "formula": "every product the customer ever bought, ascending",
        "meaning": "The products that the other arrays describe",
    }
    elements = [feature for feature in views[view["arrays_of"]]["features"] if feature["column"] != "day"]
    return [{**owner, **feature} for feature in (product, *elements)]
