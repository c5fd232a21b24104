"""One training as an MLflow run and a registered version; `@champion` moves only through the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from ml_modeling.core.bundle import CHECKSUM_TAG
from ml_modeling.core.gate import GateDecision
from ml_modeling.registry.aliases import CHALLENGER, CHAMPION
from shared_utils.errors import DependencyError
from shared_utils.settings import REPO_ROOT, MlflowSettings
from shared_utils.time_utils import EPOCH, Clock, system_clock

log = structlog.get_logger(__name__)

EXPERIMENT = "recommender"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What a run leaves behind: parameters, metrics, tags (with every input's Delta version), plots, the bundle."""

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    plots: Sequence[Path]
    bundle: Path
    bundle_sha256: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The version a training became."""

    name: str
    version: str
    run_id: str
    champion: bool


def register(
    settings: MlflowSettings, record: TrainingRecord, gate: GateDecision, clock: Clock = system_clock
) -> Registered:
    """Log the run and register its bundle. `@challenger` is the newest version; `@champion` moves through the gate.

    Raises:
        DependencyError: MLflow does not answer.
    """
    try:
        client = MlflowClient(tracking_uri(settings))
        run_id, artifacts = _log_run(client, settings, record, clock)
        version = _new_version(client, settings.recommender_name, artifacts, run_id, record, gate)
        client.set_registered_model_alias(settings.recommender_name, CHALLENGER, version)
        if gate.passed:
            client.set_registered_model_alias(settings.recommender_name, CHAMPION, version)
    except (MlflowException, OSError) as exc:
        raise DependencyError(
            f"MLflow at {settings.tracking_uri} does not take the run ({exc}).", "Start MLflow."
        ) from exc
    log.info("model_registered", name=settings.recommender_name, version=version, champion=gate.passed)
    return Registered(settings.recommender_name, version, run_id, gate.passed)


def tracking_uri(settings: MlflowSettings) -> str:
    """The tracking URI with a relative SQLite path hung on the repository; its folder is made."""
    if not settings.tracking_uri.startswith(_SQLITE):
        return settings.tracking_uri
    path = REPO_ROOT / settings.tracking_uri.removeprefix(_SQLITE)
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"{_SQLITE}{path}"


def _log_run(client: MlflowClient, settings: MlflowSettings, record: TrainingRecord, clock: Clock) -> tuple[str, str]:
    run = client.create_run(_experiment(client, settings))
    run_id: str = run.info.run_id
    now_ms = int((clock() - EPOCH).total_seconds() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now_ms, 0) for key, value in record.metrics.items()],
        params=[Param(key, value) for key, value in record.parameters.items()],
        tags=[RunTag(key, value) for key, value in record.tags.items()],
    )
    for plot in record.plots:
        client.log_artifact(run_id, str(plot), "plots")
    client.log_artifact(run_id, str(record.bundle), "bundle")
    client.set_terminated(run_id)
    return run_id, f"{run.info.artifact_uri}/bundle"


def _experiment(client: MlflowClient, settings: MlflowSettings) -> str:
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    root = REPO_ROOT / settings.artifact_root
    location = None if settings.tracking_uri.startswith("http") else root.as_uri()
    return str(client.create_experiment(EXPERIMENT, artifact_location=location))


def _new_version(
    client: MlflowClient, name: str, source: str, run_id: str, record: TrainingRecord, gate: GateDecision
) -> str:
    try:
        client.get_registered_model(name)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description="Next-basket recommender: ranked products for one customer.")
    tags = {
        **record.tags,
        CHECKSUM_TAG: record.bundle_sha256,
        "gate": "passed" if gate.passed else "refused: " + "; ".join(gate.reasons),
    }
    version = client.create_model_version(name, source, run_id, tags=tags)
    return str(version.version)
