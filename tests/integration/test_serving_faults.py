"""F13, F14, F15, F18 and F30 on the real server with a real Redis: what a client sees while something is broken.

Times: the promise is 150 ms at the 99th percentile. It is asserted on the server's own figure (Server-Timing), because
the load generator shares two cores with the server; each answer must also come within a second as a client sees it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.onnx_model import onnx_bundle
from tests.fakes.registry_file import RegistryFile
from tests.fakes.serving_process import Answer, RedisProcess, ServingProcess, load, wait_until

pytestmark = pytest.mark.integration
BUDGET_MS = 150.0
REQUESTS = 500
CLIENTS = 4
WORKERS = 8  # settings.serving.workers: the pool starts its threads one by one, when all that run are busy
ENDED = (0, -signal.SIGTERM)  # uvicorn shuts down in order, then lets the signal end the process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def registry(folder: Path) -> RegistryFile:
    file = RegistryFile(folder)
    file.register(onnx_bundle(1))
    file.register(onnx_bundle(2))
    file.point("1")
    return file


@pytest.fixture
def redis_process(folder: Path) -> Iterator[RedisProcess]:
    process = RedisProcess(folder)
    process.fill()
    yield process
    process.stop()


@pytest.fixture
def serving(folder: Path, registry: RegistryFile, redis_process: RedisProcess) -> Iterator[ServingProcess]:
    process = start(folder, registry, redis_process)
    yield process
    process.stop()


def start(folder: Path, registry: RegistryFile, redis_process: RedisProcess) -> ServingProcess:
    environment = {"SHOP_MLFLOW__TRACKING_URI": registry.uri, "SHOP_REDIS__URL": redis_process.url}
    return ServingProcess(folder, environment)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def check_promise(answers: list[Answer]) -> None:
    assert len(answers) >= REQUESTS
    assert {answer.status for answer in answers} == {200}
    assert percentile([answer.server_ms for answer in answers], 0.99) <= BUDGET_MS
    assert max(answer.client_ms for answer in answers) < 1000


@pytest.mark.parametrize("fault", ["dead", "frozen"])
def test_f13_f14_a_lost_redis_degrades_inside_the_budget_and_recovers(
    serving: ServingProcess, redis_process: RedisProcess, fault: str
) -> None:
    with load(serving, clients=CLIENTS) as answers:
        wait_until(lambda: len(answers) >= 200, "warm answers")
        healthy, threads, files = len(answers), serving.threads(), serving.open_files()
        redis_process.signal(signal.SIGSTOP) if fault == "frozen" else redis_process.kill()
        begin = len(answers)
        wait_until(lambda: len(answers) >= begin + REQUESTS, "answers under the fault")
        end = len(answers)
        if fault == "frozen":
            redis_process.signal(signal.SIGCONT)
        else:
            redis_process.start()
            redis_process.fill()
        wait_until(lambda: not answers[-1].body["degraded"], "whole answers after recovery")
    whole = sum(not answer.body["degraded"] for answer in answers[:healthy])
    assert whole >= 0.9 * healthy  # the control; on a machine that others load, a read may miss its 30 ms
    broken = answers[begin:end]
    check_promise(broken)
    # Each client had at most one request in flight, which may still be whole and may be noted down late.
    assert sum(not answer.body["degraded"] for answer in broken) <= CLIENTS
    assert all(answer.body["degraded_reasons"] for answer in broken if answer.body["degraded"])
    assert all(len(answer.body["items"]) == 10 for answer in broken)
    assert serving.threads() <= threads + WORKERS  # a thread a request would be hundreds
    assert serving.open_files() <= files + WORKERS  # one socket a pool thread that had not connected yet


def test_f15_a_flushed_redis_is_marked_and_refilled(serving: ServingProcess, redis_process: RedisProcess) -> None:
    connection = serving.connect()
    assert connection.get("/v1/recommendations/3").body["degraded"] is False
    redis_process.client.flushall()

    def reasons() -> list[str]:
        return list(connection.get("/v1/recommendations/3").body["degraded_reasons"])

    wait_until(lambda: "online_store_empty" in reasons(), "the mark")
    redis_process.fill()
    wait_until(lambda: reasons() == [], "whole answers")


def test_stock_is_followed(serving: ServingProcess, redis_process: RedisProcess) -> None:
    connection = serving.connect()

    def products() -> list[int]:
        return [item["product_id"] for item in connection.get("/v1/recommendations/4").body["items"]]

    first, second = products()[:2]
    redis_process.client.sadd("shop:out_of_stock", first)
    redis_process.client.sadd("shop:banned_products", second)
    wait_until(lambda: not {first, second} & set(products()), "the stock filter")


def test_a_swap_under_load_fails_no_request_and_mixes_no_versions(
    serving: ServingProcess, registry: RegistryFile
) -> None:
    registry.point("1")
    with load(serving) as answers:
        for turn in range(6):
            version = str(1 + turn % 2)
            registry.point(version)
            seen = len(answers)
            wait_until(lambda: any(a.body["model"]["version"] == version for a in answers[seen:]), "the swap")  # noqa: B023
    assert {answer.status for answer in answers} == {200}
    lists: dict[tuple[str, int], set[str]] = {}
    whole = 0
    for answer in answers:
        if answer.body["degraded"]:
            continue  # a read that missed its 30 ms on a loaded machine: a last list, said to be one
        whole += 1
        key = (answer.body["model"]["version"], answer.body["customer_id"])
        lists.setdefault(key, set()).add(str(answer.body["items"]))
    assert whole >= 0.9 * len(answers)
    assert {version for version, _ in lists} == {"1", "2"}
    assert {len(found) for found in lists.values()} == {1}  # one list a version and customer: nothing in between
    customers = {customer for _, customer in lists}
    assert any(lists.get(("1", c), {"a"}) != lists.get(("2", c), {"b"}) for c in customers)


def test_a_dead_registry_does_not_stop_a_start_and_answers_stay_equal(
    folder: Path, registry: RegistryFile, redis_process: RedisProcess
) -> None:
    registry.point("1")
    first = start(folder, registry, redis_process)
    before = first.connect().get("/v1/recommendations/3").body
    assert first.terminate() in ENDED
    first.stop()
    gone = RegistryFile(folder / "spool")
    gone.take_away()
    second = start(folder, gone, redis_process)
    after = second.connect().get("/v1/recommendations/3").body
    models = second.connect().get("/v1/models").body
    second.stop()
    assert models["stale"] is True
    assert (after["items"], after["model"], after["degraded"]) == (before["items"], before["model"], False)


def test_sigterm_ends_requests_in_flight_and_keeps_decisions(
    folder: Path, registry: RegistryFile, redis_process: RedisProcess
) -> None:
    serving = start(folder, registry, redis_process)
    opened = [serving.connect() for _ in range(50)]
    answers: list[Answer] = []
    barrier = threading.Barrier(51)

    def ask(index: int) -> None:
        opened[index].get("/healthz")
        barrier.wait()
        answers.append(opened[index].get("/v1/recommendations/3"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    redis_process.signal(signal.SIGSTOP)  # so that every request is still in flight at the signal
    barrier.wait()
    wait_until(lambda: any(t.is_alive() for t in threads) or answers, "requests in flight")
    threading.Event().wait(0.05)
    code = serving.terminate()
    for thread in threads:
        thread.join()
    serving.stop()
    assert code in ENDED
    assert [answer.status for answer in answers] == [200] * 50
    spooled = (folder / "spool" / f"serving-{serving.port}.ndjson").read_text().splitlines()
    assert len(spooled) == 50
