"""A lake in a real object store, a prefix of its own for each test."""

from __future__ import annotations

from data_lake.minio_s3.create_buckets import bucket_names, create_buckets
from data_lake.storage import S3Root
from shared_utils.local_stack import LocalStack
from shared_utils.settings import override_settings


def lake_in(stack: LocalStack, prefix: str) -> S3Root:
    """An empty lake in the stack's object store."""
    store = override_settings(stack.settings_env()).object_store
    create_buckets(bucket_names(), store)
    return S3Root(f"s3://delta-lake/{prefix}", store)
