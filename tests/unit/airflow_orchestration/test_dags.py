"""What every DAG must have. Airflow's own environment reads the files; here the facts are judged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_utils.environments import airflow_python
from shared_utils.settings import REPO_ROOT, process_environment
from tests.fakes.dag_rules import broken_rules

DAGS = REPO_ROOT / "airflow_orchestration" / "dags"
ETL = (DAGS / "etl_clickstream_dag.py").read_text()
PLANTED = {
    "imports": ("from datetime import UTC,", "from datetime import NOON,"),
    "doc": ("doc_md=__doc__", "doc_md=' '"),
    "tier": ('"tier-1", ', ""),
    "runbook": ('"runbook:etl_clickstream"', '"runbook:nobody_wrote_it"'),
    "limits": ("dagrun_timeout=timedelta(hours=20),", ""),
    "params": ('type=["null", "string"], format="date", description="First UTC day; null: the interval\'s"', ""),
    "owner": ('"owner": "data-platform",', ""),
    "retries": ('"retries": 2,', '"retries": 0,'),
    "timeout": ('"execution_timeout": timedelta(hours=1),', ""),
    "pool": ('"pool": "lake",', ""),
    "module": ("batch_processing.check_interval", "batch_processing.check_nothing"),
}
Facts = dict[str, Any]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Facts]:
    home = tmp_path_factory.mktemp("airflow")
    config = REPO_ROOT / "airflow_orchestration" / "configs" / "airflow.cfg"
    env = {**process_environment(), "AIRFLOW_HOME": str(home), "AIRFLOW_CONFIG": str(config)}

    def read_folder(folder: Path) -> Facts:
        argv = [str(airflow_python()), "-m", "tests.fakes.dag_facts", str(folder)]
        done = subprocess.run(argv, cwd=REPO_ROOT, env=env, capture_output=True, text=True, check=True, timeout=300)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return read_folder


@pytest.fixture(scope="module")
def facts(read: Callable[[Path], Facts]) -> Facts:
    return read(DAGS)


@pytest.fixture(scope="module")
def planted(read: Callable[[Path], Facts], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("planted")
    for name, (old, new) in PLANTED.items():
        assert old in ETL, f"the fault {name} has nothing to spoil"
        text = ETL.replace(old, new).replace('dag_id="etl_clickstream"', f'dag_id="{name}"')
        (folder / f"{name}_dag.py").write_text(text)
    return broken_rules(read(folder))


def test_every_dag_keeps_every_rule(facts: Facts) -> None:
    assert set(facts["dags"]) == {"etl_clickstream", "train_model"}
    assert broken_rules(facts) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_turns_its_rule_red(planted: list[str], name: str) -> None:
    own = [text for text in planted if text.startswith((f"{name}:", f"{name}.", f"{name}_dag.py:"))]

    assert name in {text.rpartition(": ")[2] for text in own}


def test_nothing_unchecked_goes_online(facts: Facts) -> None:
    tasks = facts["dags"]["etl_clickstream"]["tasks"]

    assert tasks["features_online"]["after"] == ["check_gold"]
    assert tasks["check_gold"]["after"] == ["product_features", "product_views"]
    assert [name for name, task in tasks.items() if task["outlets"]] == ["features_online"]


def test_all_that_computes_and_checks_does_so_for_the_days_that_are_due(facts: Facts) -> None:
    tasks = facts["dags"]["etl_clickstream"]["tasks"]
    jobs = {name: task for name, task in tasks.items() if str(task["module"]).startswith("batch_processing.")}
    of_due = {name for name, task in jobs.items() if "task_ids='days_due'" in " ".join(task["arguments"])}

    assert of_due == jobs.keys() - {"days_due"}
    assert tasks["to_silver"]["after"] == ["days_due"]


def test_no_model_is_registered_before_it_is_judged(facts: Facts) -> None:
    tasks = facts["dags"]["train_model"]["tasks"]

    assert [tasks[name]["after"] for name in ("training_set", "train", "gate", "register")] == [
        [],
        ["training_set"],
        ["train"],
        ["gate"],
    ]
