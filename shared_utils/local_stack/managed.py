"""One server process: its folder, port, log, group, readiness and end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.local_stack import procfs
from shared_utils.local_stack.guarded import Guard
from shared_utils.local_stack.ports import LOOPBACK
from shared_utils.local_stack.readiness import is_ready
from shared_utils.local_stack.spec import FlinkSlotsReady, ProcessSpec

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.05
_LAST_LINES = 15
_SECRET_BYTES = 20


class ManagedProcess:
    """A process of `processes.yaml` with fixed ports: it can be started, killed and started again on the same data."""

    def __init__(
        self, name: str, spec: ProcessSpec, folder: Path, ports: Mapping[str, int], values: Mapping[str, str]
    ) -> None:
        self.name = name
        self.spec = spec
        self.folder = folder
        self.port = next(iter(ports.values()), 0)  # 0: it listens nowhere
        self.address = f"{LOOPBACK}:{self.port}" if self.port else ""
        self.log_path = folder / f"{name}.log"
        self.startup_seconds = 0.0
        self._peak_bytes = 0
        self._log_offset = 0
        self._began = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self._secrets = {key: _kept_secret(folder / key) for key in spec.secrets}
        own = {"address": self.address, **{key: str(port) for key, port in ports.items()}}
        named = {f"{name}.{key}": value for key, value in own.items()}
        self._values = {**values, **own, **named, **self._secrets, "dir": str(folder)}

    @property
    def pid(self) -> int | None:
        """The process's id, which is also its group's; None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def settings(self) -> dict[str, str]:
        """What a client of this process must have in its environment."""
        return {key: self._fill(value) for key, value in self.spec.settings.items()}

    @property
    def secret_files(self) -> dict[str, Path]:
        """Where each generated secret lies, by its value: what shows settings to people names the file instead."""
        return {value: self.folder / key for key, value in self._secrets.items()}

    def members(self) -> list[int]:
        """The living processes of its group."""
        return procfs.group_members(self._process.pid) if self._process else []

    def spawn(self, env: Mapping[str, str], guard: Guard) -> None:
        """Start it in a group of its own, without waiting until it is ready. Prepares its folder the first time.

        Raises:
            DependencyError: the program does not exist, or the preparing command failed.
        """
        self._began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._values["cluster_id"] = _kept_cluster_id(self.folder)
        for key, value in self._secrets.items():
            _write_private(self.folder / key, value)
        self._write_files()
        env = {**env, **{key: self._fill(value) for key, value in self.spec.env.items()}}
        self._prepare(env, guard)
        self._log_offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._process = self._popen(self.spec.argv, env)
        self._guard = guard
        guard.watch(self._process.pid)

    def wait_ready(self) -> None:
        """Wait until it answers and the port is its own.

        Raises:
            DependencyError: it died or is not ready by its deadline; names the log and shows its last lines.
        """
        if self._process is None:
            raise ConfigurationError(f"{self.name} was not started.", "Call spawn() first.")
        deadline = self._began + self.spec.deadline_seconds
        while not self._answers():
            if self._process.poll() is not None:
                raise self._failure(f"ended with status {self._process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {self.spec.deadline_seconds:.0f} seconds")
            _wait_a_moment(self._process)
        if self.port and not procfs.listens_on(self.members(), self.port):
            raise self._failure(f"does not own port {self.port}: another process answers there")
        self.startup_seconds = time.monotonic() - self._began
        log.debug("process_ready", name=self.name, address=self.address, seconds=round(self.startup_seconds, 2))

    def memory_bytes(self) -> tuple[int, int]:
        """Resident memory of the whole group now, and its peak so far (over restarts), in bytes."""
        now, peak = procfs.memory_bytes(self.members())
        self._peak_bytes = max(self._peak_bytes, peak)
        return now, self._peak_bytes

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; nothing happens when it is gone."""
        if self._process:
            procfs.signal_group(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL the group, as a crash would, and wait until it is gone."""
        self.memory_bytes()
        self.signal(signal.SIGKILL)
        self._wait_gone(10.0)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after its grace time.

        Raises:
            DependencyError: a process of the group survived.
        """
        self.memory_bytes()
        self.signal(signal.SIGCONT)  # a paused process could not act on SIGTERM
        self.signal(signal.SIGTERM)
        if not self._wait_gone(self.spec.grace_seconds):
            log.warning("process_killed", name=self.name, grace_seconds=self.spec.grace_seconds)
            self.signal(signal.SIGKILL)
            if not self._wait_gone(10.0):
                survivors = self.members()
                raise DependencyError(f"Processes {survivors} of {self.name} survive SIGKILL.", "See `ps` and dmesg.")

    def _fill(self, text: str) -> str:
        # Not str.format: a properties file and JSON in a command line hold braces of their own.
        for key, value in self._values.items():
            text = text.replace("{" + key + "}", value)
        return text

    def _write_files(self) -> None:
        for target, source in self.spec.files.items():
            content = Path(self._values["repo"], source).read_text(encoding="utf-8")
            _write_private(self.folder / target, self._fill(content))

    def _prepare(self, env: Mapping[str, str], guard: Guard) -> None:
        prepare = self.spec.prepare
        if prepare is None or (self.folder / prepare.unless).exists():
            return
        process = self._popen(prepare.argv, env)
        guard.watch(process.pid)
        try:
            status = process.wait(self.spec.deadline_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise self._failure("was not prepared by its deadline") from None
        finally:
            guard.forget(process.pid)
        if status != 0:
            raise self._failure(f"could not be prepared (status {status})")

    def _popen(self, argv: tuple[str, ...], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        command = [self._fill(word) for word in argv]
        if shutil.which(command[0], path=env.get("PATH")) is None:
            raise ConfigurationError(f"The program {command[0]} of {self.name} is not installed.", "Run `make setup`.")
        with self.log_path.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 (the list of processes is part of this repository)
                command,
                env=dict(env),
                cwd=self._values["repo"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        cluster_id, ready = self._values["cluster_id"], self.spec.ready
        if isinstance(ready, FlinkSlotsReady):
            ready = ready.model_copy(update={"rest": self._fill(ready.rest)})
        return is_ready(ready, self.port, self.log_path, self._log_offset, cluster_id)

    def _failure(self, what: str) -> DependencyError:
        text = self.log_path.read_bytes()[self._log_offset :].decode(errors="replace") if self.log_path.exists() else ""
        tail = "\n".join(f"    {line[:300]}" for line in text.splitlines()[-_LAST_LINES:]) or "    (empty)"
        return DependencyError(
            f"{self.name} ({self.address}) {what}.",
            f"Its log {self.log_path} ends with:\n{tail}\nThen try `make doctor`.",
        )

    def _wait_gone(self, seconds: float) -> bool:
        if self._process is None:
            return True
        deadline = time.monotonic() + seconds
        while self._process.poll() is None or self.members():
            if time.monotonic() > deadline:
                return False
            _wait_a_moment(self._process)
        if self._guard:
            self._guard.forget(self._process.pid)
            self._guard = None
        return True


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    """Wait for one poll interval, or less when the process ends meanwhile."""
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return
    time.sleep(_POLL_SECONDS / 5)  # the leader is gone, but its group may not be


def _kept_secret(path: Path) -> str:
    """The secret that an earlier start has left there, else a new one."""
    return path.read_text(encoding="ascii") if path.exists() else secrets.token_hex(_SECRET_BYTES)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def new_cluster_id(random_uuid: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A random UUID in Kafka's base64 form. Never with a leading dash, which its tools take for an option."""
    text = urlsafe_b64encode(random_uuid().bytes).decode().rstrip("=")
    return new_cluster_id(random_uuid) if text.startswith("-") else text


def _kept_cluster_id(folder: Path) -> str:
    """A Kafka cluster id (a base64 UUID) that stays the same for a folder."""
    path = folder / "cluster.id"
    if not path.exists():
        path.write_text(new_cluster_id(), encoding="ascii")
    return path.read_text(encoding="ascii")
