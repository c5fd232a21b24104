"""What every DAG must have, judged on the facts of `dag_facts`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared_utils.settings import REPO_ROOT

Facts = Mapping[str, Any]
_POOLS = json.loads((REPO_ROOT / "airflow_orchestration" / "configs" / "pools.json").read_text())
_LAKE_WRITERS = "batch_processing.spark_jobs."


def broken_rules(facts: Facts) -> list[str]:
    """`file or dag[.task]: rule`, for everything that is wrong."""
    wrong = [f"{file}: imports" for file in facts["errors"]]
    for dag_id, dag in facts["dags"].items():
        wrong += [f"{dag_id}: {rule}" for rule in _of_dag(dag)]
        for task_id, task in dag["tasks"].items():
            wrong += [f"{dag_id}.{task_id}: {rule}" for rule in _of_task(task)]
    return wrong


def _of_dag(dag: Facts) -> Iterator[str]:
    doc = dag["doc"] or ""
    if not doc.strip():
        yield "doc"
    if sum(tag.startswith("tier-") for tag in dag["tags"]) != 1:
        yield "tier"
    runbooks = [tag.removeprefix("runbook:") for tag in dag["tags"] if tag.startswith("runbook:")]
    paths = [f"runbooks/{name}.md" for name in runbooks]
    if not paths or not all((REPO_ROOT / path).exists() and path in doc for path in paths):
        yield "runbook"
    if dag["catchup"] or not dag["timeout"]:
        yield "limits"
    if not all({"type", "enum"} & set(schema) for schema in dag["params"].values()):
        yield "params"


def _of_task(task: Facts) -> Iterator[str]:
    if task["owner"] in ("", "airflow"):
        yield "owner"
    if not task["retries"]:
        yield "retries"
    if not task["timeout"]:
        yield "timeout"
    module = task["module"] or ""
    if task["pool"] not in _POOLS or (module.startswith(_LAKE_WRITERS) and task["pool"] != "lake"):
        yield "pool"
    if module and not _exists(module):
        yield "module"


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
