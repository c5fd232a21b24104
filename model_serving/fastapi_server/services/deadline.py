"""The outer deadline: whatever a store or a model does, an answer leaves in time."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from model_serving.core.ranking import DegradedReason, Ranking
from model_serving.decisions import DecisionPublisher
from model_serving.fastapi_server.services.recommendation_service import RecommendationService
from model_serving.metrics import ServingMetrics

WORK_SHARE = 0.6
"""Part of the budget that the work may take; the rest is for auth, the fallback, JSON and a busy event loop."""
_QUEUE_PER_WORKER = 4


class DeadlineRunner:
    """Runs the service in a bounded pool and answers with its fallback when the deadline passes.

    A call that is given up keeps its thread only until its own socket timeout; when all places are taken, further
    requests are answered by the fallback at once, so neither threads nor waiting calls pile up.
    """

    def __init__(
        self,
        service: RecommendationService,
        publisher: DecisionPublisher,
        metrics: ServingMetrics,
        *,
        budget_seconds: float,
        workers: int,
    ) -> None:
        self._service = service
        self._publisher = publisher
        self._metrics = metrics
        self._seconds = budget_seconds * WORK_SHARE
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="recommend")
        self._places = threading.Semaphore(workers * (1 + _QUEUE_PER_WORKER))

    async def top_n(self, customer_id: int, limit: int, request_id: str, started: float) -> Ranking:
        """Ranked products inside the budget, published as a decision.

        `started` is when the request arrived (`time.perf_counter`). Raises DependencyError: no model was ever loaded.
        """
        ranking = await self._answer(customer_id, limit, request_id)
        ranking = replace(ranking, latency_ms=(time.perf_counter() - started) * 1e3)
        self._count(ranking)
        self._publisher.offer(ranking)
        return ranking

    def close(self) -> None:
        """Let running calls end and take no new ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _answer(self, customer_id: int, limit: int, request_id: str) -> Ranking:
        if not self._places.acquire(blocking=False):
            return self._service.fallback(customer_id, limit, request_id, DegradedReason.OVERLOADED)
        call = self._pool.submit(self._service.top_n, customer_id, limit, request_id)
        call.add_done_callback(self._give_place)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(call)
        except TimeoutError:
            return self._service.fallback(customer_id, limit, request_id, DegradedReason.DEADLINE)

    def _give_place(self, _: Future[Ranking]) -> None:
        self._places.release()

    def _count(self, ranking: Ranking) -> None:
        if ranking.cold_start:
            self._metrics.cold_start.inc()
        for reason in ranking.degraded_reasons:
            self._metrics.degraded.labels(reason.value).inc()
