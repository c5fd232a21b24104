"""What Airflow makes of a folder of DAG files, as JSON on the last line. Runs in the airflow environment."""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag


def facts(folder: str) -> dict[str, Any]:
    bag = DagBag(folder)
    return {
        "errors": {str(path).rpartition("/")[2]: text for path, text in bag.import_errors.items()},
        "dags": {
            dag.dag_id: {
                "doc": dag.doc_md,
                "tags": sorted(dag.tags),
                "catchup": dag.catchup,
                "params": {name: dag.params.get_param(name).schema for name in dag.params},
                "timeout": dag.dagrun_timeout is not None,
                "tasks": {task.task_id: task_facts(task) for task in dag.tasks},
            }
            for dag in bag.dags.values()
        },
    }


def task_facts(task: Any) -> dict[str, Any]:
    return {
        "owner": task.owner,
        "retries": task.retries,
        "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
        "pool": task.pool,
        "module": getattr(task, "module", None),
        "arguments": list(getattr(task, "arguments", ())),
        "after": sorted(task.upstream_task_ids),
        "outlets": [asset.name for asset in task.outlets],
    }


if __name__ == "__main__":
    print(json.dumps(facts(sys.argv[1])))
