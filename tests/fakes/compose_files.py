"""The compose files of the repository, resolved by Compose in a copy with an installation of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from production_ops.compose_stack import first_start
from shared_utils.settings import REPO_ROOT

Document = dict[str, Any]
ENTRIES = REPO_ROOT / "deployment" / "docker_compose"


class ComposeFiles:
    """A copy of every compose file in `root`, with fresh secrets. Skips the test where there is no Compose."""

    def __init__(self, root: Path) -> None:
        if (
            shutil.which("docker") is None
            or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        ):
            pytest.skip("there is no `docker compose` here to resolve the stack")
        self._root = root
        for path in [*REPO_ROOT.glob("**/docker-compose.yml"), *REPO_ROOT.glob("deployment/docker*/*.yml")]:
            if not path.is_relative_to(REPO_ROOT / ".venvs"):
                target = root / path.relative_to(REPO_ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        (root / "config").mkdir()
        shutil.copy(REPO_ROOT / "config" / "compose.env", root / "config")
        installation = root / "config" / "installation.env"
        first_start.ensure(installation, date(2026, 11, 28))
        self.installation = first_start.read(installation)

    def resolved(self, *words: str) -> Document:
        """What `docker compose <words>` would start, without the bases, which are only built."""
        done = subprocess.run(
            ["docker", "compose", *words, "config", "--format", "json"],
            cwd=self._root,
            capture_output=True,
            text=True,
            check=True,
        )
        document: Document = json.loads(done.stdout)
        document["services"] = {
            name: service
            for name, service in document["services"].items()
            if "bases" not in service.get("profiles", [])
        }
        return document

    def whole(self) -> Document:
        """The stack with every profile."""
        return self.resolved("--profile", "*")

    def entry(self, name: str) -> Document:
        """The selection of an entry file."""
        return self.resolved("-f", "docker-compose.yml", "-f", f"deployment/docker_compose/{name}")
