"""The real server whose decisions end in memory: for benchmarks, which start no broker."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace

from model_serving.fastapi_server.bootstrap import bootstrap, real_adapters
from model_serving.fastapi_server.logger import configure_service_logging
from model_serving.fastapi_server.main import serve
from shared_utils.records import Record
from shared_utils.settings import load_settings


class MemorySink:
    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=1000)

    def send(self, record: Record) -> None:
        self._records.append(record)

    def poll(self) -> None:
        return None

    def close(self) -> None:
        return None


if __name__ == "__main__":
    settings = load_settings()
    configure_service_logging(logging.INFO)
    serve(settings, bootstrap(settings, replace(real_adapters(settings), open_sink=MemorySink)))
