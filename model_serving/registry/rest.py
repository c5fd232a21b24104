"""MLflow's registry over its REST API."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from ml_modeling.core.bundle import BUNDLE_FILE, MAX_BYTES
from model_serving.ports import RegisteredVersion
from model_serving.registry.files import copy_bundle, local_path
from shared_utils.errors import DataError, DependencyError

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
_PROXIED = "mlflow-artifacts:"
_TIMEOUT = httpx.Timeout(2.0)


class RestRegistry:
    """A tracking server. Follows no redirect and reads at most the size of the largest bundle."""

    def __init__(self, base_url: str, credentials: tuple[str, str] | None = None) -> None:
        """`credentials`: user name and password, where the server asks for them."""
        self._client = httpx.Client(base_url=base_url.rstrip("/"), auth=credentials, timeout=_TIMEOUT, trust_env=False)
        self._url = base_url

    def resolve(self, name: str, alias: str) -> RegisteredVersion | None:
        """The version behind an alias, None when it is not set. Raises DependencyError."""
        answer = self._get(f"{_API}/registered-models/alias", name=name, alias=alias)
        if answer.status_code in (400, 404):  # MLflow says INVALID_PARAMETER_VALUE for an alias that is not set
            return None
        try:
            raw: dict[str, Any] = self._checked(answer).json()["model_version"]
            source = self._location(name, raw)
            tags = {tag["key"]: tag["value"] for tag in raw.get("tags", [])}
            return RegisteredVersion(name, str(raw["version"]), source, tags)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise self._silent(f"unexpected answer: {exc!r}") from exc

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        """Download the version's bundle. Raises DependencyError; DataError: too large, or of a scheme unknown here."""
        path = local_path(version.source)
        if path is not None:
            copy_bundle(path, target)
        elif version.source.startswith(_PROXIED):
            self._download(version.source, target)
        else:
            raise DataError(f"Serving cannot fetch {version.source}.", "Let MLflow serve its artefacts.")

    def _location(self, name: str, raw: dict[str, Any]) -> str:
        # `source` may be runs:/... or models:/...; the download URI is where the files are.
        answer = self._get(f"{_API}/model-versions/get-download-uri", name=name, version=raw["version"])
        return str(self._checked(answer).json()["artifact_uri"])

    def _download(self, source: str, target: Path) -> None:
        folder = source.removeprefix(_PROXIED).lstrip("/")
        file = folder if folder.endswith(".zip") else f"{folder.rstrip('/')}/{BUNDLE_FILE}"
        size = 0
        try:
            with self._client.stream("GET", _ARTIFACTS + quote(file)) as answer, target.open("wb") as out:
                self._checked(answer)
                for chunk in answer.iter_bytes():
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise DataError(f"The bundle at {source} is too large.", "Register a smaller one.")
                    out.write(chunk)
        except httpx.HTTPError as exc:
            raise self._silent(repr(exc)) from exc

    def _get(self, path: str, **query: str) -> httpx.Response:
        try:
            return self._client.get(path, params=query)
        except httpx.HTTPError as exc:
            raise self._silent(repr(exc)) from exc

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code != httpx.codes.OK:
            raise self._silent(f"status {answer.status_code}")
        return answer

    def _silent(self, why: str) -> DependencyError:
        return DependencyError(f"The registry at {self._url} does not answer ({why}).", "Start MLflow.")
