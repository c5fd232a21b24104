"""Run the landing page's service: `python -m production_ops.first_page.main`.

Reads: the services of the stack, Kafka, the lake, MLflow's registry, Airflow's API. Writes: three clicks to
`shop.click.v1` for each press of the page's button.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import uvicorn

from production_ops.first_page.app import bootstrap, create_app
from shared_utils.cli import run_main
from shared_utils.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Read the settings, wire the real stack, answer."""
    argparse.ArgumentParser(prog="python -m production_ops.first_page.main", description=__doc__).parse_args(argv)
    settings = load_settings()
    page = settings.first_page
    app = create_app(bootstrap(settings))
    uvicorn.run(app, host=page.host, port=page.port, access_log=False, server_header=False, log_config=None)
    return 0


if __name__ == "__main__":
    run_main(main)
