"""Hands a job's SQL to the cluster. Runs in the flink environment: compiling SQL needs a JVM beside this process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.settings import REPO_ROOT, Settings
from stream_processing.flink_python import checkpoints
from stream_processing.flink_python.job import FlinkJob

JARS_DIR: Final = REPO_ROOT / "build" / "jars" / "flink"
OWN_JAR: Final = JARS_DIR / "shop-flink.jar"


def configuration(job: FlinkJob, settings: Settings, restore: Path | None) -> dict[str, str]:
    """Flink's options of a job.

    No `table.exec.source.idle-timeout`: on a backlog it drops events of the partition that is read later.
    """
    flink, rest = settings.flink, urlsplit(settings.flink.rest_url)
    options = {
        "execution.target": "remote",
        "rest.address": str(rest.hostname),
        "rest.port": str(rest.port),
        "pipeline.name": job.name,
        "parallelism.default": str(flink.parallelism),
        "pipeline.object-reuse": "true",
        "execution.buffer-timeout.interval": f"{flink.buffer_timeout_ms} ms",
        "execution.checkpointing.interval": f"{flink.checkpoint_interval_ms} ms",
        "execution.checkpointing.dir": checkpoints.folder(job.name, settings).as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": "2",
        "execution.checkpointing.incremental": "true",
        "state.backend.type": flink.state_backend,
        "table.local-time-zone": "UTC",
        "table.exec.state.ttl": f"{flink.state_ttl_hours} h",
        # The inserts share what their sources have in common: read, checked and deduplicated once.
        "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
    }
    options |= job.options
    if restore is not None:
        options["execution.state-recovery.path"] = restore.as_uri()
    return options


def submit(job: FlinkJob, settings: Settings, restore: Path | None) -> str:
    """Start the job and give its id.

    Raises:
        ConfigurationError: this Python has no Flink.
        DependencyError: the jars are not installed.
    """
    for noisy in ("py4j", "apache_beam"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        from pyflink.common import Configuration
        from pyflink.table import EnvironmentSettings, TableEnvironment
    except ImportError as exc:
        raise ConfigurationError(
            "Compiling a job needs Flink, which this Python does not have.", "Run the job with .venvs/flink/bin/python."
        ) from exc
    config = Configuration()
    for name, value in {**configuration(job, settings, restore), **_connectors()}.items():
        config.set_string(name, value)
    tables = TableEnvironment.create(EnvironmentSettings.new_instance().with_configuration(config).build())
    parts = job.build(settings)
    for definition in parts.definitions:
        tables.execute_sql(definition)
    inserts = tables.create_statement_set()
    for insert in parts.inserts:
        inserts.add_insert_sql(insert)
    client = inserts.execute().get_job_client()
    return str(client.get_job_id())


def _connectors() -> Mapping[str, str]:
    if not OWN_JAR.exists():
        raise DependencyError(f"There are no Flink connectors and formats in {JARS_DIR}.", "Run `make setup`.")
    # On the cluster they lie in the class path already: nothing is uploaded.
    return {"pipeline.classpaths": ";".join(jar.as_uri() for jar in sorted(JARS_DIR.glob("*.jar")))}
