"""The object store: its buckets and who may use them. MinIO gave the folder its name; SeaweedFS serves it."""
