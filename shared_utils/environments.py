"""Where the Python of each environment is: a job of another environment runs as a process of its own."""

from __future__ import annotations

from pathlib import Path

from shared_utils.errors import DependencyError
from shared_utils.settings import REPO_ROOT


def platform_python() -> Path:
    """The interpreter of the platform environment. Raises DependencyError when it is not installed."""
    return _python("platform")


def spark_python() -> Path:
    """The interpreter of the Apache Spark environment. Raises DependencyError when it is not installed."""
    return _python("spark")


def flink_python() -> Path:
    """The interpreter of the Apache Flink environment. Raises DependencyError when it is not installed."""
    return _python("flink")


def airflow_python() -> Path:
    """The interpreter of the Airflow environment. Raises DependencyError when it is not installed."""
    return _python("airflow", made_by="make .venvs/airflow/.done")


def _python(environment: str, made_by: str = "make setup") -> Path:
    path = REPO_ROOT / ".venvs" / environment / "bin" / "python"
    if not path.exists():
        raise DependencyError(f"The {environment} environment is not installed in .venvs.", f"Run `{made_by}`.")
    return path
