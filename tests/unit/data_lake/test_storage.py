from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from data_lake.catalog import SILVER_CLICK
from data_lake.files import remove_folder
from data_lake.storage import S3Root, hadoop_options, root_of, sdk_variables, storage_options
from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT, LakeSettings, ObjectStoreSettings, Settings, override_settings

STORE = ObjectStoreSettings(endpoint_url="http://127.0.0.1:1", access_key="who", secret_key=SecretStr("hush-hush"))


def test_a_relative_folder_hangs_on_the_repository_and_needs_no_options() -> None:
    root = root_of(Settings(lake=LakeSettings(root=Path("build/lake"))))
    assert root == REPO_ROOT / "build/lake"
    assert storage_options(root) is None
    assert hadoop_options(root) == {}


def test_a_bucket_comes_from_the_same_setting() -> None:
    variables = {"SHOP_LAKE__ROOT": "s3://delta-lake/lake/", "SHOP_OBJECT_STORE__SECRET_KEY": "hush-hush"}
    root = root_of(override_settings(variables))
    assert isinstance(root, S3Root)
    assert SILVER_CLICK.path(root) == "s3://delta-lake/lake/silver/click"
    assert (storage_options(root) or {})["AWS_SECRET_ACCESS_KEY"] == "hush-hush"  # noqa: S105
    assert hadoop_options(root)["fs.s3a.secret.key"] == "hush-hush"


def test_what_is_no_folder_and_no_bucket_stays_a_folder_or_is_refused() -> None:
    assert override_settings({"SHOP_LAKE__ROOT": "/tmp/lake"}).lake.root == Path("/tmp/lake")  # noqa: S108
    for text in ("s3://", "s3a://delta-lake/lake", "s3://delta-lake/../other"):
        with pytest.raises(ConfigurationError, match=r"lake\.root"):
            override_settings({"SHOP_LAKE__ROOT": text})


@pytest.mark.parametrize(("endpoint", "allowed"), [("http://object-store:8333", "true"), ("https://s3.test", "false")])
def test_plain_http_is_allowed_only_to_a_store_that_speaks_it(endpoint: str, allowed: str) -> None:
    root = S3Root("s3://delta-lake/lake", STORE.model_copy(update={"endpoint_url": endpoint}))
    assert (storage_options(root) or {})["AWS_ALLOW_HTTP"] == allowed


def test_an_engines_server_gets_the_sdks_own_variables_alone() -> None:
    variables = sdk_variables(S3Root("s3://delta-lake/lake", STORE))
    assert variables["AWS_ACCESS_KEY_ID"] == "who"
    assert all(name.startswith("AWS_") for name in variables)
    assert sdk_variables(Path("build/lake")) == {}


def test_no_option_allows_an_unsafe_rename() -> None:
    assert not [key for key in storage_options(S3Root("s3://delta-lake/lake", STORE)) or {} if "UNSAFE" in key]


def test_a_root_prints_without_its_keys() -> None:
    root = S3Root("s3://delta-lake/lake", STORE) / "silver"
    assert str(root) == "s3://delta-lake/lake/silver"
    assert "hush" not in repr(root) + str(root)


def test_a_folder_is_removed_whole_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "part").touch()
    remove_folder(tmp_path / "a")
    remove_folder(tmp_path / "a")
    assert not (tmp_path / "a").exists()
