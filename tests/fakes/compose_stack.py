"""A stack of its own on Docker Compose, driven by the verbs that a user has; beside one that may be running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import httpx

from production_ops.compose_stack import first_start
from shared_utils.local_stack.ports import free_port
from shared_utils.settings import REPO_ROOT
from tests.fakes.serving_process import wait_until

PROJECT = "shop-journey"
_COMPOSE = ("docker", "compose", "--profile", "*")
INSTALLATION = REPO_ROOT / "config" / "installation.env"


def last_week() -> tuple[date, date]:
    """The last days of history: first, and first after."""
    end = date.fromisoformat(first_start.read(INSTALLATION)["STACK_LIVE_END"])
    return end - timedelta(weeks=first_start.LIVE_WEEKS + 1), end - timedelta(weeks=first_start.LIVE_WEEKS)


class ComposeStack:
    """`make up` and its siblings on free ports. `settings` are STACK_ variables that the environment may overrule."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        ports: dict[str, int] = {}
        for name in ("STACK_GATEWAY_PORT", "STACK_MLFLOW_PORT", "STACK_PROMETHEUS_PORT", "STACK_AIRFLOW_PORT"):
            ports[name] = free_port(frozenset(ports.values()))
        self._environment = {
            **settings,
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            **{name: str(port) for name, port in ports.items()},
        }
        self.killed: set[str] = set()
        urls = (f"http://127.0.0.1:{port}" for port in ports.values())
        self.url, self.mlflow_url, self.prometheus_url, self.airflow_url = urls

    def make(self, verb: str) -> str:
        """Run a verb; what it printed. The arguments of the verb that runs the tests are not its own."""
        return self._run("make", "--silent", verb, "ARGS=")

    def compose(self, *words: str) -> str:
        """Run a command of Docker Compose."""
        return self._run(*_COMPOSE, *words)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Every container by its service, ended ones too."""
        found = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
        return {one["Service"]: one for one in found}

    def servers(self) -> set[str]:
        """The services that run and do not end by themselves."""
        return {name for name, one in self.containers().items() if one["State"] == "running"}

    def unwell(self) -> list[str]:
        """Servers that are not healthy, and one-shots that did not end well."""
        return [
            f"{name}: {one['State']} {one['Health']} {one['ExitCode']}"
            for name, one in self.containers().items()
            if one["Health"] != "healthy" and (one["State"], one["ExitCode"]) != ("exited", 0)
        ]

    def kill(self, service: str) -> None:
        """SIGKILL by the host's pid, as the kernel would: the engine must not think that somebody stopped it."""
        pid = self._run("docker", "inspect", "--format", "{{.State.Pid}}", self.containers()[service]["Name"])
        os.kill(int(pid), signal.SIGKILL)
        self.killed.add(service)

    def seconds_back_after_kill(self, service: str, deadline_seconds: float) -> float:
        """How long it takes from the service's death until it runs again and everything is healthy."""
        before = self.started_at(service)
        began = time.monotonic()
        self.kill(service)
        wait_until(lambda: self.started_at(service) != before, f"{service} to start again", deadline_seconds)
        self.seconds_until_well(deadline_seconds)
        return time.monotonic() - began

    def started_at(self, service: str) -> str:
        """When the container's process began."""
        return self._run("docker", "inspect", "--format", "{{.State.StartedAt}}", self.containers()[service]["Name"])

    def seconds_until_well(self, deadline_seconds: float) -> float:
        """How long it takes until everything is healthy."""
        began = time.monotonic()
        while unwell := self.unwell():
            if time.monotonic() - began > deadline_seconds:
                raise TimeoutError(f"after {deadline_seconds:.0f} s: {'; '.join(unwell)}")
            time.sleep(0.5)
        return time.monotonic() - began

    def ask(self, path: str, token: str | None = None) -> httpx.Response:
        """One question to the gateway."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.get(self.url + path, headers=headers, timeout=5.0, trust_env=False)

    def post(self, path: str, headers: Mapping[str, str]) -> httpx.Response:
        """One push at the gateway."""
        return httpx.post(self.url + path, headers=dict(headers), timeout=5.0, trust_env=False)

    def remains(self) -> list[str]:
        """Containers, volumes and networks of this stack that are there."""
        return [
            f"{kind} {name}"
            for kind, words in (
                ("container", ("ps", "--all", "--quiet")),
                ("volume", ("volume", "ls", "--quiet")),
                ("network", ("network", "ls", "--quiet")),
            )
            for name in self._run("docker", *words, "--filter", f"label=com.docker.compose.project={PROJECT}").split()
        ]

    def tool(self, module: str, *arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a module of the repository inside the stack; `options` are those of `docker compose run`."""
        return self._do(*_COMPOSE, "run", "--rm", "--no-TTY", *options, "tools", "python", "-m", module, *arguments)

    def flink(self, path: str) -> Any:
        """A document of the JobManager, which only the stack's own networks reach; None while it is away."""
        ask = f"import urllib.request as r; print(r.urlopen('http://flink-jobmanager:8081{path}').read().decode())"
        done = self._do(*_COMPOSE, "exec", "--no-TTY", "flink-jobs", "python", "-c", ask)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def _do(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=REPO_ROOT, env=self._environment, capture_output=True, text=True, check=False
        )

    def _run(self, *command: str) -> str:
        done = self._do(*command)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
        return done.stdout.strip()
