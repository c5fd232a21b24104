"""One frozen `Settings` for every process.

Order: arguments > environment (`SHOP_GROUP__NAME`) > `config/<env>.env` > `config/default_config.yaml`.
Reading `os.environ` anywhere else is a lint error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from shared_utils.errors import ConfigurationError

REPO_ROOT = Path(__file__).resolve().parent.parent
_CONNECT_MARKS = frozenset({"SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_API_MODE"})
S3Uri = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[\w-][\w.-]*)*/?$")]
PLACEHOLDER_SECRET = "dev-only-placeholder-secret-change-me"  # noqa: S105 (refused outside dev and test)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CalendarSettings(_Group):
    """Where the data's year lies in time. `live_end` is a Monday; empty means the last Monday before today."""

    live_weeks: int = Field(default=2, ge=1, le=12)
    live_end: date | None = None
    seed: int = 20170101


class KafkaSettings(_Group):
    """The broker. `delivery_timeout_ms` outlives a restart of it (about 10 s on a busy machine)."""

    bootstrap_servers: str = "127.0.0.1:9092"
    delivery_timeout_ms: int = Field(default=30_000, ge=1_000)
    spool_dir: Path = Path("build/run/spool")


class LakeSettings(_Group):
    """The lake and the rules of its roads. Below `reject_ratio_min_rows` rows a batch says nothing on its producer.

    `root` is a folder or `s3://bucket/prefix` in the object store; ask `data_lake.storage.root_of` for it.
    Event ids are promised unique within `id_horizon_days` of event time.
    """

    root: Path | S3Uri = Path("build/run/lake")
    allowed_lateness_seconds: int = Field(default=7_200, ge=0)
    max_reject_ratio: float = Field(default=0.2, ge=0, le=1)
    reject_ratio_min_rows: int = Field(default=100, ge=1)
    id_horizon_days: int = Field(default=30, ge=1)

    @field_validator("root")
    @classmethod
    def _is_folder_or_bucket(cls, root: Path | str) -> Path | str:
        if isinstance(root, Path) and f"{root}/".partition("/")[0].endswith(":"):
            raise ValueError("neither a folder nor s3://bucket/prefix")
        return root


class ObjectStoreSettings(_Group):
    """The S3 object store of a lake whose root is `s3://`. `patience_seconds` outlives a restart of it (about 5 s)."""

    endpoint_url: str = "http://127.0.0.1:8333"
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    patience_seconds: int = Field(default=60, ge=1)


class EngineSettings(_Group):
    """The batch engine: Sail (embedded) or Apache Spark, both behind Spark Connect."""

    kind: Literal["sail", "spark"] = "sail"
    remote: str = "sc://127.0.0.1:50051"


class FlinkSettings(_Group):
    """The Flink cluster and its jobs. Checkpoints lie under `<run_dir>/checkpoints/flink/<job>`.

    Clicks that arrive more than `session_lateness_seconds` after they happened go to the late topic, not into a visit.
    A payment that arrives `fraud_lateness_seconds` late is in no fraud pattern; alerts wait that long. Without
    `fraud_rules_file` the rules are those of the repository.
    State that nothing has touched for `state_ttl_hours` is dropped: it outlives the longest window of the features.
    """

    rest_url: str = "http://127.0.0.1:8081"
    parallelism: int = Field(default=1, ge=1)
    checkpoint_interval_ms: int = Field(default=5_000, ge=100)
    buffer_timeout_ms: int = Field(default=1, ge=0)
    state_backend: Literal["rocksdb", "hashmap"] = "rocksdb"
    session_lateness_seconds: int = Field(default=900, ge=0)
    fraud_lateness_seconds: int = Field(default=5, ge=0)
    fraud_rules_file: Path | None = None
    state_ttl_hours: int = Field(default=48, ge=1)


class RedisSettings(_Group):
    """The online store; the timeout bounds every hot-path call."""

    url: str = "redis://127.0.0.1:6379/0"
    timeout_ms: int = Field(default=30, ge=1)


class FeatureWriterSettings(_Group):
    """The online store's stream writer: its metrics page, its patience with Redis, the cadence of its archive.

    Redis gets each record at once; the lake gets what came within `archive_seconds`, or `archive_rows` if that is
    sooner. Beyond `max_pending_rows` unarchived records the writer waits for the lake: its memory is bounded.
    """

    host: str = "127.0.0.1"
    port: int = 9105
    redis_timeout_ms: int = Field(default=1_000, ge=10)
    archive_seconds: float = Field(default=5.0, gt=0)
    archive_rows: int = Field(default=20_000, ge=1)
    max_pending_rows: int = Field(default=200_000, ge=1)


class MlflowSettings(_Group):
    """Tracking and registry; a relative SQLite path hangs on the repository.

    `username` and `password` are what serving shows a tracking server; MLflow's own client, which the trainer uses,
    reads MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """

    tracking_uri: str = "sqlite:///build/run/mlflow/mlflow.db"
    username: str = ""
    password: SecretStr = SecretStr("")
    artifact_root: Path = Path("build/run/mlflow/artifacts")
    recommender_name: str = "recommender"


class AirflowSettings(_Group):
    """What Airflow's first start is told. Without `admin_password` it makes one."""

    admin_password: SecretStr = SecretStr("")


class ServingSettings(_Group):
    """The inference API. `fixed_now` replays a past moment; empty means the wall clock."""

    host: str = "127.0.0.1"
    port: int = 8000
    budget_ms: int = Field(default=150, ge=10)
    model_cache_dir: Path = Path("build/run/model_cache")
    model_alias: str = "champion"
    alias_poll_seconds: float = Field(default=2.0, gt=0)
    store_poll_seconds: float = Field(default=2.0, gt=0)
    max_feature_age_seconds: float = Field(default=172_800, gt=0)
    workers: int = Field(default=8, ge=1, le=64)
    fixed_now: datetime | None = None


class FirstPageSettings(_Group):
    """The landing page's service. The ports are those of the host: 0 where a door is not there.

    Without a password for Airflow it shows no runs.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    mlflow_port: int = Field(default=0, ge=0)
    prometheus_port: int = Field(default=0, ge=0)
    airflow_port: int = Field(default=0, ge=0)
    airflow_username: str = "admin"
    airflow_password: SecretStr = SecretStr("")


class AuthSettings(_Group):
    """How bearer tokens are signed and what they must claim."""

    secret: SecretStr = SecretStr(PLACEHOLDER_SECRET)
    issuer: str = "shop-data-platform"
    audience: str = "shop-inference"


class Settings(BaseSettings):
    """All settings of the platform, frozen. Raises `ConfigurationError` through `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix="SHOP_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    env: Literal["dev", "test", "compose", "staging", "prod"] = "dev"
    run_dir: Path = Path("build/run")
    log_json: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    calendar: CalendarSettings = CalendarSettings()
    kafka: KafkaSettings = KafkaSettings()
    lake: LakeSettings = LakeSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    engine: EngineSettings = EngineSettings()
    flink: FlinkSettings = FlinkSettings()
    redis: RedisSettings = RedisSettings()
    feature_writer: FeatureWriterSettings = FeatureWriterSettings()
    mlflow: MlflowSettings = MlflowSettings()
    serving: ServingSettings = ServingSettings()
    first_page: FirstPageSettings = FirstPageSettings()
    airflow: AirflowSettings = AirflowSettings()
    auth: AuthSettings = AuthSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the environment's file, then the defaults."""
        defaults = YamlConfigSettingsSource(settings_cls, yaml_file=REPO_ROOT / "config" / "default_config.yaml")
        return init_settings, env_settings, dotenv_settings, defaults


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The process's settings, read once.

    Raises:
        ConfigurationError: a value is malformed, or a placeholder secret would be used outside dev and test.
    """
    env = os.environ.get("SHOP_ENV", "dev")
    try:
        settings = Settings(_env_file=REPO_ROOT / "config" / f"{env}.env")
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise ConfigurationError(
            f"The settings are not valid ({faults}).", f"Correct config/{env}.env or the SHOP_ environment variables."
        ) from exc
    if settings.env not in ("dev", "test") and settings.auth.secret.get_secret_value() == PLACEHOLDER_SECRET:
        raise ConfigurationError(
            f"The placeholder token secret may not be used in '{settings.env}'.", "Set SHOP_AUTH__SECRET."
        )
    return settings


def override_settings(variables: Mapping[str, str]) -> Settings:
    """The settings that a child process would load with these `SHOP_` variables on top of this one's environment.

    Raises:
        ConfigurationError: as `load_settings`.
    """
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        return load_settings.__wrapped__()
    finally:
        os.environ.clear()
        os.environ.update(before)


def process_environment() -> dict[str, str]:
    """A copy of this process's environment, for the commands that it starts.

    A Spark Connect session marks its process for good (`SPARK_CONNECT_MODE_ENABLED`); a child that inherits the mark
    cannot start a classic driver. OpenMP's threads are told to sleep where they wait for each other: they spin by
    default, and beside other work the training's fits then take twice the CPU time (67 instead of 34 seconds).
    """
    kept = {name: value for name, value in os.environ.items() if name not in _CONNECT_MARKS}
    return {"OMP_WAIT_POLICY": "passive", **kept}
