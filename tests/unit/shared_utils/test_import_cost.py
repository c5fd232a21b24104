"""What must start at once imports nothing that takes seconds: the validator no engine, the demo no trainer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared_utils.settings import REPO_ROOT

HEAVY = ("pyspark", "confluent_kafka", "pandas", "numpy", "pyarrow", "fastapi", "mlflow", "feast", "redis")
SCRIPT = "import sys, importlib; importlib.import_module(sys.argv[1]); print(' '.join(sys.modules))"


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("contracts.validators.validate_kafka_event", (*HEAVY, "pydantic", "rich")),
        ("contracts.generated.spark_schemas", (*HEAVY, "pydantic", "rich")),
        ("contracts.generated.models", HEAVY),
        ("production_ops.demo.__main__", ("feast", "mlflow", "lightgbm", "xgboost", "pyspark")),
    ],
)
def test_import_stays_light(module: str, banned: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", SCRIPT, module]
    loaded = subprocess.run(command, cwd=REPO_ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert module in loaded
    assert not set(banned) & set(loaded)
