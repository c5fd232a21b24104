"""Bundles that lie on this machine's file system."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ml_modeling.core.bundle import BUNDLE_FILE, MAX_BYTES
from shared_utils.errors import DataError


def local_path(source: str) -> Path | None:
    """The bundle's path if `source` is a path or a file URI, None when it lies elsewhere."""
    parts = urlsplit(source)
    if parts.scheme not in ("", "file"):
        return None
    path = Path(unquote(parts.path))
    return path if path.suffix == ".zip" else path / BUNDLE_FILE


def copy_bundle(path: Path, target: Path) -> None:
    """Copy a bundle. Raises DataError: it is missing or too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"The bundle {path} is too large.", "Register a smaller one.")
        shutil.copyfile(path, target)
    except OSError as exc:
        raise DataError(f"The bundle {path} cannot be read ({exc.strerror}).", "Register the model again.") from exc
