"""Where the lake lies: a local folder or a prefix in an S3 object store; and what each library must know to reach it.

`s3://` is the one scheme: deltalake and Sail know it, Spark maps it to s3a. All three commit by a conditional put
(If-None-Match), so several writers of a table are safe; nothing here allows an unsafe rename.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from shared_utils.settings import REPO_ROOT, ObjectStoreSettings, Settings

# More than fit into any patience: time ends the retries.
_RETRIES: Final = 100_000


@dataclass(frozen=True)
class S3Root:
    """A prefix in a bucket and how to reach its store. Prints as its URI, without the keys."""

    uri: str
    store: ObjectStoreSettings

    def __truediv__(self, name: str) -> S3Root:
        return replace(self, uri=f"{self.uri}/{name}")

    def __str__(self) -> str:
        return self.uri


LakeRoot = Path | S3Root


def root_of(settings: Settings) -> LakeRoot:
    """The lake's root by the settings."""
    return root_at(settings.lake.root, settings.object_store)


def root_at(root: Path | str, store: ObjectStoreSettings) -> LakeRoot:
    """A folder (a relative one hangs on the repository, not on the working folder), or a prefix in the store."""
    return REPO_ROOT / root if isinstance(root, Path) else S3Root(root.rstrip("/"), store)


def storage_options(root: LakeRoot) -> dict[str, str] | None:
    """What `deltalake` needs beside a table's path; None for a local folder."""
    if isinstance(root, Path):
        return None
    return {
        "AWS_ENDPOINT_URL": root.store.endpoint_url,
        "AWS_REGION": root.store.region,
        "AWS_ACCESS_KEY_ID": root.store.access_key,
        "AWS_SECRET_ACCESS_KEY": root.store.secret_key.get_secret_value(),
        "AWS_ALLOW_HTTP": str(root.store.endpoint_url.startswith("http://")).lower(),
        "retry_timeout": f"{root.store.patience_seconds}s",
        "max_retries": str(_RETRIES),
        "backoff_config.max_backoff": "1s",
    }


def sdk_variables(root: LakeRoot) -> dict[str, str]:
    """The environment in which an engine's server (Sail, Spark) reaches the root; nothing for a local folder."""
    options = storage_options(root) or {}
    return {name: value for name, value in options.items() if name.startswith("AWS_")}


def hadoop_options(root: LakeRoot) -> dict[str, str]:
    """What Spark's s3a needs; nothing for a local folder."""
    if isinstance(root, Path):
        return {}
    return {
        "fs.s3a.endpoint": root.store.endpoint_url,
        "fs.s3a.endpoint.region": root.store.region,
        "fs.s3a.access.key": root.store.access_key,
        "fs.s3a.secret.key": root.store.secret_key.get_secret_value(),
    }
