"""The landing page behind a server with canned evidence, under the gateway's own security headers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from typing import Any

from production_ops.first_page.core import balance, gate, health, shelves
from production_ops.first_page.core.health import Health, PartSeen, Seen
from production_ops.proofs.live_shelf import Reaction
from production_ops.trace.report import as_json
from shared_utils.settings import REPO_ROOT
from tests.fakes.traced_click import Past, click

GATEWAY = REPO_ROOT / "deployment" / "gateway"
AS_OF = "2026-11-28T12:00:05.000Z"
CATEGORIES = ("soft drinks", "frozen pizza", "cheese", "bread", "yogurt")
PRODUCTS = (
    "sparkling water",
    "pepperoni pizza",
    "aged cheddar",
    "rye bread",
    "greek yogurt with honey and walnuts",
    "cola",
)
Json = dict[str, Any]


def shown(data: Any) -> Json:
    return {"state": "shown", "why": "", "remedy": "", "as_of": AS_OF, "data": data}


def said(state: str, why: str, remedy: str = "") -> Json:
    return {"state": state, "why": why, "remedy": remedy, "as_of": AS_OF, "data": {}}


def parts(**changed: Health) -> Json:
    """All parts run, but for the services that are named otherwise."""
    names = {
        "core": ("gateway", "serving", "kafka", "redis", "mlflow"),
        "streaming": ("flink-jobmanager", "spark-streaming"),
        "batch": ("airflow-apiserver",),
        "observe": ("prometheus",),
    }

    def see(name: str) -> Seen:
        state = changed.get(name.replace("-", "_"), Health.HEALTHY)
        return Seen(name, "what it is for", state, "no container runs" if state is Health.ABSENT else "ready")

    return shown(health.as_json([PartSeen(part, [see(name) for name in group]) for part, group in names.items()]))


def core_alone() -> Json:
    return parts(
        flink_jobmanager=Health.ABSENT,
        spark_streaming=Health.ABSENT,
        airflow_apiserver=Health.ABSENT,
        prometheus=Health.ABSENT,
    )


def path(*, streaming: bool = True) -> Json:
    past, event = Past(), click("first", 0)
    past.arrives(event, 0.004)
    if streaming:
        past.counted(event, 0.016, 1, stood=0.021)
        past.holds(event, 1)
        past.decides(0.05, event)
    return shown({**as_json(past.journey_of(event), "kafka:9092"), "asked_for": False})


def shelf(wait_ms: float | None = 62.0) -> Json:
    def item(rank: int, number: int) -> Json:
        return {
            "product_id": number, "rank": rank, "name": PRODUCTS[number % len(PRODUCTS)].upper(),
            "category": CATEGORIES[number % len(CATEGORIES)], "reason": {"text": "You just looked at this."},
        }  # fmt: skip

    def answer(numbers: list[int]) -> Json:
        items = [item(rank, number) for rank, number in enumerate(numbers, 1)]
        return {"items": items, "degraded": False, "model": {"version": "1"}}

    before, after = answer(list(range(20))), answer([11, 0, 16, 12, *range(1, 11)])
    clicked = Reaction(1453, CATEGORIES[1], (11, 16, 12), "e", before, after, wait_ms)
    return shown(shelves.as_json(clicked, AS_OF))


def runs(state: str = "success") -> Json:
    run = {
        "dag_run_id": "r", "state": state, "run_type": "scheduled", "data_interval_start": None,
        "start_date": "2026-11-28T04:00:00Z", "end_date": "2026-11-28T04:03:10Z",
    }  # fmt: skip
    return shown({"dags": [{"dag": "etl_clickstream", "runs": [run] * 3}, {"dag": "train_model", "runs": [run]}]})


def verdict(words: str = "passed", ratio: float = 1.103) -> Json:
    metrics = {"ratio_ndcg": ratio, "ratio_recall": ratio + 0.02, "live_basket_ndcg_ratio": 1.47}
    for key in ("ratio_ndcg", "ratio_recall"):
        metrics |= {f"{key}_low": metrics[key] - 0.03, f"{key}_high": metrics[key] + 0.03}
    version = {"name": "recommender", "version": "3", "run_id": "r", "tags": [{"key": "gate", "value": words}]}
    params = {"kind": "lightgbm", "cutoff": "2026-11-23", "features": "86"}
    data = {
        "metrics": [{"key": key, "value": value} for key, value in metrics.items()],
        "params": [{"key": key, "value": value} for key, value in params.items()],
    }
    served = {"models": [{"version": "3", "alias": "champion"}], "stale": False}
    return shown(gate.as_json(version, {"data": data}, {"champion": "3", "challenger": "3"}, served))


def books(*, lost: int = 0, in_the_lake: bool = True) -> Json:
    found = []
    for topic, count in (("shop.click.v1", 160), ("shop.transaction.v1", 40)):
        places = [(0, offset) for offset in range(count)] if in_the_lake else []
        ends = [((topic, *place), "silver") for place in places]
        found.append(balance.books(topic, {0: (0, count + 3)}, places, ends[lost:]))
    return shown(balance.as_json(found))


@dataclass
class CannedPage:
    """What the page's service answers; a number is a status without a body."""

    url: str
    answers: dict[str, Json | int] = field(default_factory=dict)
    posted: list[dict[str, str]] = field(default_factory=list)


def good() -> dict[str, Json | int]:
    """Everything runs and is well."""
    return {
        "doors": {"doors": [{"name": "mlflow", "port": 5000}, {"name": "airflow", "port": 8081}]},
        "health": parts(),
        "path": path(),
        "shelf": said("empty", "Nobody has clicked on this page yet."),
        "runs": runs(),
        "gate": verdict(),
        "ledger": books(),
        "visit": {"status": "begun"},
    }


def gateway_headers() -> dict[str, str]:
    """Those that the gateway adds to every answer of the page's door."""
    conf = (GATEWAY / "nginx.conf").read_text(encoding="utf-8")
    (door,) = (server for server in conf.split("server {") if "listen 8080;" in server)
    headers = {name: value.strip('"') for name, value in re.findall(r'add_header (\S+) ("[^"]+"|\S+) always;', door)}
    assert "Content-Security-Policy" in headers, f"{GATEWAY / 'nginx.conf'}: the page's door adds no policy"
    return headers


@contextmanager
def canned_page() -> Iterator[CannedPage]:
    """The site and its canned service on a free port."""
    page = CannedPage("")
    headers = gateway_headers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/first-page/")
            if name != self.path:
                self._say(page.answers[name])
                return
            file = GATEWAY / "site" / (self.path.strip("/") or "index.html")
            self._send(200, file.read_bytes(), guess_type(file.name)[0] or "") if file.is_file() else self._say(404)

        def do_POST(self) -> None:
            page.posted.append(dict(self.headers))
            self._say(page.answers[self.path.removeprefix("/first-page/")])

        def _say(self, answer: Json | int) -> None:
            if isinstance(answer, int):
                self._send(answer, b"", "text/html")
            else:
                self._send(200, json.dumps(answer).encode(), "application/json")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    page.url = f"http://127.0.0.1:{server.server_port}/"
    page.answers = good()
    try:
        yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
