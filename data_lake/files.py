"""Files of the lake that are no table's: buckets, staging folders; a local folder and a bucket look the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import fs

from data_lake.storage import LakeRoot
from shared_utils.settings import ObjectStoreSettings


def object_store(store: ObjectStoreSettings, **options: Any) -> fs.FileSystem:
    """The object store as pyarrow sees it: paths begin with the bucket."""
    return fs.S3FileSystem(
        access_key=store.access_key,
        secret_key=store.secret_key.get_secret_value(),
        region=store.region,
        endpoint_override=store.endpoint_url,
        **options,
    )


def remove_folder(folder: LakeRoot) -> None:
    """Delete a folder with all in it; nothing happens when it is not there."""
    if isinstance(folder, Path):
        filesystem, path = fs.LocalFileSystem(), str(folder)
    else:
        filesystem, path = object_store(folder.store), folder.uri.removeprefix("s3://")
    if filesystem.get_file_info(path).type is fs.FileType.Directory:
        filesystem.delete_dir(path)
