"""A day of events, from bronze to features that serving reads.

Bronze has landed, silver is settled, gold is computed, gold is checked, features go online: nothing unchecked goes
online. Then the asset **gold_features** is fresh, which starts `train_model`. A day has landed two hours after its
midnight, when silver takes no more of it.

**Interval.** A run works on its data interval, a UTC day, and overwrites it: a second run gives equal tables. `start`
and `end` in the conf choose other days (`end` is exclusive). Gold adds up from day to day: days that gold lacks before
the interval, because nothing ran on them, are done first (`days_due`). After a repair run from the repaired day to the
end of history. A backfill computes and checks, but puts nothing online.
History that no stream landed, a till's archive, is run with `"wait_for_bronze": false`.

**Owner** data-platform, tier 1. **Runbook** `runbooks/etl_clickstream.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param

from airflow_orchestration.plugins.operators.feast_materialize_operator import FeastMaterializeOperator
from airflow_orchestration.plugins.operators.platform_job_operator import PlatformJobOperator
from airflow_orchestration.plugins.sensors.delta_ingestion_sensor import DeltaIngestionSensor

GOLD_FEATURES = Asset("gold_features", uri="shop-lake://gold/features")

START = "{{ params.start or data_interval_start | ds }}"
END = "{{ params.end or data_interval_end | ds }}"
INTERVAL = ["--start", START, "--end", END]
DUE = ["--start", "{{ ti.xcom_pull(task_ids='days_due')['start'] }}", "--end", END]

with DAG(
    dag_id="etl_clickstream",
    doc_md=__doc__,
    description="A day of events to checked features online",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,  # the day's own, which may wait for its bronze, and one that was started by hand
    dagrun_timeout=timedelta(hours=20),
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": 4,  # after half a minute to a minute, then after two to four
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(hours=1),
        "pool": "lake",
    },
    params={
        "start": Param(None, type=["null", "string"], format="date", description="First UTC day; null: the interval's"),
        "end": Param(None, type=["null", "string"], format="date", description="First UTC day after; null: as above"),
        "late": Param("repair", enum=["repair", "set-aside"], description="Fold late rows into silver, or leave them"),
        "copurchase_weeks": Param(
            4, type="integer", minimum=1, maximum=53, description="Snapshots counted back from end"
        ),
        "wait_for_bronze": Param(True, type="boolean", description="False where no stream lands the interval"),
    },
    tags=["tier-1", "lake", "features", "runbook:etl_clickstream"],
) as dag:
    bronze_landed = DeltaIngestionSensor(
        task_id="bronze_landed",
        tables=["bronze.transaction", "bronze.click"],
        until=END,
        wait=timedelta(hours=12),
        wait_if="{{ params.wait_for_bronze }}",
        pool="light",
    )
    days_due = PlatformJobOperator(
        task_id="days_due",
        module="batch_processing.days_due",
        arguments=INTERVAL,
        pool="light",
    )
    to_silver = PlatformJobOperator(
        task_id="to_silver",
        module="batch_processing.spark_jobs.join_bronze_to_silver",
        arguments=[*DUE, "--late", "{{ params.late }}"],
    )
    customer_features = PlatformJobOperator(
        task_id="customer_features",
        module="batch_processing.spark_jobs.calculate_churn_features",
        arguments=DUE,
        depends_on_past=True,
    )
    product_features = PlatformJobOperator(
        task_id="product_features",
        module="batch_processing.spark_jobs.output_to_gold",
        arguments=[*DUE, "--copurchase-weeks", "{{ params.copurchase_weeks }}"],
        depends_on_past=True,
    )
    product_views = PlatformJobOperator(
        task_id="product_views",
        module="batch_processing.spark_jobs.aggregate_product_views",
        arguments=DUE,
    )
    check_gold = PlatformJobOperator(
        task_id="check_gold",
        module="batch_processing.check_interval",
        arguments=DUE,
        pool="light",
    )
    features_online = FeastMaterializeOperator(
        task_id="features_online",
        as_of=END,
        run_if="{{ dag_run.run_type != 'backfill' }}",
        pool="light",
        outlets=[GOLD_FEATURES],
    )
    bronze_landed >> days_due >> to_silver >> [customer_features, product_views]
    customer_features >> product_features
    [product_features, product_views] >> check_gold >> features_online
