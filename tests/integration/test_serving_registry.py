"""The two registry adapters against the real MLflow: what it writes is what serving reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_modeling.core.bundle import CHECKSUM_TAG, ModelBundle
from model_serving.registry import open_registry
from shared_utils.errors import ConfigurationError, DataError, DependencyError
from shared_utils.local_stack import LocalStack
from tests.fakes.serving import make_bundle

pytestmark = pytest.mark.integration


def register(tracking_uri: str, folder: Path) -> str:
    """Log and register a bundle through MLflow itself, set the alias, and return the bundle's checksum."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    experiment = client.create_experiment("serving-registry")
    run = client.create_run(experiment)
    digest = make_bundle(1).write(folder / "bundle.zip")
    client.log_artifact(run.info.run_id, str(folder / "bundle.zip"), "bundle")
    client.create_registered_model("recommender")
    source = f"{run.info.artifact_uri}/bundle"
    version = client.create_model_version("recommender", source, run_id=run.info.run_id, tags={CHECKSUM_TAG: digest})
    client.set_registered_model_alias("recommender", "champion", version.version)
    client.set_terminated(run.info.run_id)
    return digest


@pytest.mark.filterwarnings("default")
def test_both_adapters_read_what_mlflow_wrote(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "run", ["mlflow"]) as stack:
        url = f"http://{stack.address('mlflow')}"
        digest = register(url, tmp_path)
        rest = open_registry(url)
        found = rest.resolve("recommender", "champion")
        assert found is not None
        assert (found.version, found.tags[CHECKSUM_TAG]) == ("1", digest)
        rest.fetch(found, tmp_path / "rest.zip")
        assert ModelBundle.read(tmp_path / "rest.zip", expected_sha256=digest)
        assert rest.resolve("recommender", "challenger") is None
        assert rest.resolve("nobody", "champion") is None

        file = open_registry(f"sqlite:///{stack.run_dir}/mlflow/mlflow.db")
        same = file.resolve("recommender", "champion")
        assert same is not None
        assert (same.version, dict(same.tags)) == (found.version, dict(found.tags))
        assert file.resolve("recommender", "challenger") is None
    with pytest.raises(DependencyError):
        rest.resolve("recommender", "champion")


def test_planted_unusable_registries_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        open_registry("postgresql://somewhere")
    with pytest.raises(DependencyError):
        open_registry(f"sqlite:///{tmp_path}/none.db").resolve("recommender", "champion")
    (tmp_path / "junk.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(DependencyError):
        open_registry(f"sqlite:///{tmp_path}/junk.db").resolve("recommender", "champion")


def test_planted_a_source_elsewhere_is_refused(tmp_path: Path) -> None:
    from model_serving.ports import RegisteredVersion

    elsewhere = RegisteredVersion("recommender", "1", "s3://bucket/bundle", {})
    for registry in (open_registry(f"sqlite:///{tmp_path}/a.db"), open_registry("http://127.0.0.1:1")):
        with pytest.raises(DataError):
            registry.fetch(elsewhere, tmp_path / "x.zip")
