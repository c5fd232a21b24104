"""The gate before a model, as the registry recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ml_modeling.core.gate import ENTRY_RATIO

_PASSED: Final = "passed"
_RATIOS: Final = (("NDCG@10", "ratio_ndcg"), ("recall@10", "ratio_recall"))


def as_json(
    version: Mapping[str, Any], run: Mapping[str, Any], aliases: Mapping[str, str], served: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A version's verdict and the figures that it rests on.

    Args:
        version: MLflow's model version.
        run: the run that it came from.
        aliases: alias to version.
        served: what the inference API says of its model, None when it does not answer.
    """
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
    metrics = {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])}
    parameters = {parameter["key"]: parameter["value"] for parameter in run["data"].get("params", [])}
    verdict = str(tags.get("gate", ""))
    number = str(version["version"])
    return {
        "name": version["name"],
        "version": number,
        "aliases": sorted(alias for alias, of in aliases.items() if str(of) == number),
        "champion": aliases.get("champion"),
        "passed": verdict == _PASSED,
        "verdict": verdict or "the version bears no verdict",
        "bound": ENTRY_RATIO,
        "ratios": [
            {"name": name, "ratio": metrics[key], "low": metrics[f"{key}_low"], "high": metrics[f"{key}_high"]}
            for name, key in _RATIOS
            if {key, f"{key}_low", f"{key}_high"} <= metrics.keys()
        ],
        "live_ratio": metrics.get("live_basket_ndcg_ratio"),
        "kind": parameters.get("kind"),
        "cutoff": parameters.get("cutoff"),
        "features": parameters.get("features"),
        "run_id": version.get("run_id"),
        "served": None if served is None else _served(served),
    }


def _served(answer: Mapping[str, Any]) -> dict[str, Any]:
    models = answer["models"]
    return {
        "version": models[0]["version"] if models else None,
        "alias": models[0]["alias"] if models else None,
        "stale": answer["stale"],
    }
