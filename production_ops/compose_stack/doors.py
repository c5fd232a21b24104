"""Say where the running stack is reached and how one logs in, without saying a secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Final

_DOORS: Final = (
    ("gateway", 8080, "landing page and API"),
    ("gateway", 5000, "MLflow"),
    ("gateway", 9090, "Prometheus (observe)"),
    ("gateway", 8088, "Airflow (batch)"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the addresses that Compose has published."""
    for service, port, what in _DOORS:
        sys.stdout.write(f"{what:<22} http://{address(service, port)}\n")
    sys.stdout.write(
        "A token for the API:   make token\n"
        "MLflow's login:        MLFLOW_ADMIN_USERNAME and MLFLOW_ADMIN_PASSWORD in config/installation.env\n"
        "Airflow's login:       admin, and AIRFLOW_ADMIN_PASSWORD in the same file\n"
    )
    return 0


def address(service: str, port: int) -> str:
    """The host's address of a published port."""
    command = ("docker", "compose", "--profile", "*", "port", service, str(port))
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
