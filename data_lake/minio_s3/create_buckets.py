"""Make the object store's buckets that are missing; a second run changes nothing.

Reads: `buckets.yaml`. Writes: empty buckets at `object_store.endpoint_url`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import yaml
from pyarrow import fs
from rich.console import Console

from data_lake.files import object_store
from shared_utils.cli import run_main
from shared_utils.errors import DependencyError
from shared_utils.settings import ObjectStoreSettings, load_settings

BUCKETS_PATH: Final = Path(__file__).parent / "buckets.yaml"


def bucket_names(path: Path = BUCKETS_PATH) -> list[str]:
    """The buckets that the platform needs."""
    return list(yaml.safe_load(path.read_text(encoding="utf-8")))


def create_buckets(names: Iterable[str], store: ObjectStoreSettings) -> list[str]:
    """Make the missing ones; gives their names.

    Raises:
        DependencyError: the store does not answer, or refuses these keys.
    """
    filesystem = object_store(store, allow_bucket_creation=True)
    try:
        missing = [name for name in names if filesystem.get_file_info(name).type is fs.FileType.NotFound]
        for name in missing:
            filesystem.create_dir(name)
    except OSError as exc:
        raise DependencyError(
            f"The object store at {store.endpoint_url} makes no buckets ({exc}).",
            "Start it (`python -m shared_utils.local_stack up object_store`) or check SHOP_OBJECT_STORE__*.",
        ) from exc
    return missing


def main(argv: Sequence[str] | None = None) -> int:
    """Make the buckets and print which are new."""
    argparse.ArgumentParser(prog="python -m data_lake.minio_s3.create_buckets", description=__doc__).parse_args(argv)
    names = bucket_names()
    made = create_buckets(names, load_settings().object_store)
    for name in names:
        Console(highlight=False).print(f"{name}: {'made' if name in made else 'was there'}")
    return 0


if __name__ == "__main__":
    run_main(main)
