"""The recommender, trained when gold is fresh: training set, rankers, gate, registration.

A version is registered in any case, as `@challenger`; `@champion` moves only where the gate lets it pass. A refusal is
a result, and the run is green.

**Cutoff.** The day that parts training from comparison: `holdout_weeks` before the day up to which gold is fresh. A run
by hand names its `cutoff`. The steps hand on the folder `<run_dir>/training/<cutoff>/`; equal tables give an equal
model.

**Owner** machine-learning, tier 2. **Runbook** `runbooks/train_model.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_orchestration.plugins.operators.mlflow_register_operator import MlflowRegisterOperator
from airflow_orchestration.plugins.operators.platform_job_operator import PlatformJobOperator

CUTOFF = (
    "{{ params.cutoff or macros.ds_add("
    "(triggering_asset_events.values() | first | last).extra.as_of, -7 * params.holdout_weeks) }}"
)

with DAG(
    dag_id="train_model",
    doc_md=__doc__,
    description="Fresh gold to a judged, registered recommender",
    schedule=[Asset("gold_features", uri="shop-lake://gold/features")],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args={
        "owner": "machine-learning",
        "retries": 1,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(hours=2),
        "pool": "training",
    },
    params={
        "cutoff": Param(None, type=["null", "string"], format="date", description="null: from the fresh gold's day"),
        "holdout_weeks": Param(7, type="integer", minimum=1, maximum=26, description="Weeks that no label comes from"),
    },
    tags=["tier-2", "recommender", "runbook:train_model"],
) as dag:
    training_set = PlatformJobOperator(
        task_id="training_set",
        module="ml_modeling.training_scripts.make_training_set",
        arguments=["--cutoff", CUTOFF],
    )
    train = PlatformJobOperator(
        task_id="train",
        module="ml_modeling.training_scripts.train_on_set",
        arguments=["--cutoff", CUTOFF],
    )
    gate = PlatformJobOperator(
        task_id="gate",
        module="ml_modeling.evaluation.judge_training",
        arguments=["--cutoff", CUTOFF],
        pool="light",
    )
    register = MlflowRegisterOperator(task_id="register", cutoff=CUTOFF, pool="light")
    training_set >> train >> gate >> register
