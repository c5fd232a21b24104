"""The classic Spark session of the streaming jobs: one driver, one JVM, on this host."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pyspark.sql import SparkSession
from pyspark.util import is_remote_only

from data_lake.storage import LakeRoot, hadoop_options
from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.settings import REPO_ROOT

CONFIG_DIR: Final = Path(__file__).parent / "config"
DEFAULTS_PATH: Final = CONFIG_DIR / "spark_defaults.conf"
LOG4J_PATH: Final = CONFIG_DIR / "log4j2.properties"
JARS_DIR: Final = REPO_ROOT / "build" / "jars" / "spark"
CLASS_ARCHIVE: Final = JARS_DIR.with_suffix(".jsa")
"""Spark's classes as the JVM keeps them in memory (see class_archive.py): a driver is there after 9 instead of 14 s."""


def start_session(
    app_name: str, lake_root: LakeRoot | None = None, *, settings: Mapping[str, str] = MappingProxyType({})
) -> SparkSession:
    """A Spark session with Delta and Kafka, set up by `config/spark_defaults.conf` and, above it, `settings`.

    It reaches the lake at `lake_root`.

    Raises:
        ConfigurationError: this Python has only the Spark Connect client.
        DependencyError: the connector jars are not installed.
    """
    if is_remote_only():
        raise ConfigurationError(
            "Streaming jobs drive Apache Spark itself, which this Python does not have.",
            "Run the job with .venvs/spark/bin/python.",
        )
    if not any(JARS_DIR.glob("delta-spark_*.jar")):
        raise DependencyError(f"There are no Delta and Kafka jars in {JARS_DIR}.", "Run `make setup`.")
    # The bridge to the JVM reports every call at INFO.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    options: dict[str, bool | float | int | str | None] = {**read_defaults(), **settings}
    options["spark.driver.extraClassPath"] = f"{JARS_DIR}/*"
    # A JVM does not know TMPDIR by itself, and a driver that is killed leaves folders there.
    own = f"-Dlog4j2.configurationFile={LOG4J_PATH} -Djava.io.tmpdir={tempfile.gettempdir()}"
    if CLASS_ARCHIVE.exists():
        own += f" -XX:SharedArchiveFile={CLASS_ARCHIVE}"
    options["spark.driver.extraJavaOptions"] = f"{options.get('spark.driver.extraJavaOptions', '')} {own}".strip()
    spark = SparkSession.builder.appName(app_name).config(map=options).getOrCreate()
    # UDF workers must be this very Python. `spark.pyspark.python` only counts in spark-submit, and PYSPARK_PYTHON would
    # have to be in the environment before anybody imports pyspark.
    spark.sparkContext.pythonExec = sys.executable
    for key, value in hadoop_options(lake_root).items() if lake_root else ():
        # Not among the settings above, which stand in the command line of the JVM: these are keys.
        spark.sparkContext._jsc.hadoopConfiguration().set(key, value)
    return spark


def read_defaults(path: Path = DEFAULTS_PATH) -> dict[str, str]:
    """The settings of a spark-defaults file. Raises ConfigurationError for a line that is not `key value`."""
    settings = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, _, value = line.strip().partition(" ")
        if not value.strip():
            raise ConfigurationError(f"{path.name} has the line {line!r} without a value.", "Write `key value`.")
        settings[key] = value.strip()
    return settings
