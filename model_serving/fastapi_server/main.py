"""Run the inference API: `python -m model_serving.fastapi_server.main`.

Reads: Redis (features, products, stock), MLflow's registry. Writes: `decisions.recommendation.v1`, the model cache.
SIGTERM stops accepting, lets requests in flight end (20 s at most), then delivers or keeps every decision.
"""

from __future__ import annotations

import argparse
import gc
import logging
from collections.abc import Sequence

import uvicorn

from model_serving.fastapi_server.app import create_app
from model_serving.fastapi_server.bootstrap import Services, bootstrap
from model_serving.fastapi_server.logger import configure_service_logging
from shared_utils.cli import run_main
from shared_utils.settings import Settings, load_settings

DRAIN_SECONDS = 20


def serve(settings: Settings, services: Services) -> None:
    """Serve until a signal ends the process."""
    app = create_app(settings, services)
    gc.freeze()  # what start-up made lives as long as the process: no collection needs to look at it again
    uvicorn.run(
        app,
        host=settings.serving.host,
        port=settings.serving.port,
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Read the settings, wire the real adapters, serve."""
    argparse.ArgumentParser(prog="python -m model_serving.fastapi_server.main", description=__doc__).parse_args(argv)
    settings = load_settings()
    if settings.log_json or settings.env != "dev":
        configure_service_logging(logging.getLevelNamesMapping()[settings.log_level])
    serve(settings, bootstrap(settings))
    return 0


if __name__ == "__main__":
    run_main(main)
