"""Several processes as one: started in order, known by name, and gone at the end."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.local_stack import kept, procfs
from shared_utils.local_stack.guarded import Guard
from shared_utils.local_stack.managed import ManagedProcess
from shared_utils.local_stack.ports import free_port
from shared_utils.local_stack.spec import SPEC_PATH, in_waves, load_specs
from shared_utils.settings import REPO_ROOT, process_environment

MARK = "LOCAL_STACK_ID"


class LocalStack:
    """Servers of the host platform, on free loopback ports, with their data under `run_dir`.

    A context manager: leaving it stops everything, and so does the death of this process (see `guard`).
    Ports stay the same for the stack's life, so `restart` brings a server back at the same address on the same data.
    """

    def __init__(self, run_dir: Path, names: Sequence[str], spec_path: Path = SPEC_PATH) -> None:
        self.run_dir = run_dir.resolve()
        specs = load_specs(spec_path)
        self._waves = in_waves(names, specs)
        self._mark = uuid.uuid4().hex
        self._guard: Guard | None = None
        self._processes: dict[str, ManagedProcess] = {}
        self._extra: dict[str, str] = {}
        taken: set[int] = set()
        values = _values(self.run_dir)
        for name in (name for wave in self._waves for name in wave):
            ports = {}
            for key in specs[name].ports:
                ports[key] = free_port(frozenset(taken))
                taken.add(ports[key])
            folder = self.run_dir / name
            process = ManagedProcess(name, specs[name], folder, ports, values)
            self._processes[name] = process
            values |= {
                f"{name}.address": process.address,
                **{f"{name}.{key}": str(port) for key, port in ports.items()},
            }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def names(self) -> tuple[str, ...]:
        """The processes in starting order."""
        return tuple(self._processes)

    def start(self, *names: str) -> None:
        """Start those named (all by default) and wait until each is ready; those that need not wait start together.

        Raises:
            DependencyError: one died or missed its deadline (the others are stopped).
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._guard = self._guard or Guard()
        try:
            for wave in self._waves:
                chosen = [name for name in wave if not names or name in names]
                with ThreadPoolExecutor(max(len(chosen), 1)) as pool:
                    list(pool.map(self._bring_up, chosen))
        except BaseException:
            self.stop()
            raise

    def address(self, name: str) -> str:
        """`127.0.0.1:PORT` of a process."""
        return self._process(name).address

    def settings_env(self) -> dict[str, str]:
        """The SHOP_ variables with which a job finds this stack's servers and folders."""
        paths = {
            "SHOP_RUN_DIR": self.run_dir,
            "SHOP_LAKE__ROOT": self.run_dir / "lake",
            "SHOP_KAFKA__SPOOL_DIR": self.run_dir / "spool",
            "SHOP_MLFLOW__TRACKING_URI": f"sqlite:///{self.run_dir}/mlflow/mlflow.db",
            "SHOP_MLFLOW__ARTIFACT_ROOT": self.run_dir / "mlflow" / "artifacts",
            "SHOP_SERVING__MODEL_CACHE_DIR": self.run_dir / "model_cache",
        }
        env = {key: str(value) for key, value in paths.items()} | self._extra
        for process in self._processes.values():
            env.update(process.settings)
        return env

    def set_environment(self, variables: Mapping[str, str]) -> None:
        """Variables for every server and job of this stack beside its own (a pinned clock, a log level)."""
        self._extra = dict(variables)

    def secret_files(self) -> dict[str, Path]:
        """The file of each generated secret among the settings, by the secret."""
        return {value: path for each in self._processes.values() for value, path in each.secret_files.items()}

    def job_env(self) -> dict[str, str]:
        """A whole environment for `subprocess`: this process's own, overlaid with `settings_env`."""
        return {**process_environment(), **self.settings_env()}

    def alive(self, name: str) -> bool:
        """Whether the process runs (a paused one does)."""
        return self.pid(name) is not None

    def pid(self, name: str) -> int | None:
        """The process's id, which is also its group's; None when it does not run."""
        return self._process(name).pid

    def kill(self, name: str) -> None:
        """SIGKILL the process's group, as a crash would."""
        self._process(name).kill()

    def restart(self, name: str) -> None:
        """Bring a process back at the same address on the same data; stops it first when it still runs."""
        self._process(name).stop()
        self._bring_up(name)

    def pause(self, name: str) -> None:
        """Freeze the process's group (SIGSTOP): it holds its port and answers nothing."""
        self._process(name).signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused process go on (SIGCONT)."""
        self._process(name).signal(signal.SIGCONT)

    def rss_bytes(self, name: str) -> int:
        """Resident memory of the process's whole group now."""
        return self._process(name).memory_bytes()[0]

    def peak_rss_bytes(self, name: str) -> int:
        """The highest resident memory of the group so far (sum of VmHWM), still known after its end."""
        return self._process(name).memory_bytes()[1]

    def startup_seconds(self, name: str) -> float:
        """From the start of the command (and of its preparing step) to ready, at the last start."""
        return self._process(name).startup_seconds

    def log_path(self, name: str) -> Path:
        """The file with all that the process wrote."""
        return self._process(name).log_path

    def stop(self) -> None:
        """Stop all, last started first.

        Raises:
            DependencyError: a process that this stack started survives.
        """
        faults = []
        for process in reversed(self._processes.values()):
            try:
                process.stop()
            except DependencyError as exc:
                faults.append(exc.message)
        self._release_guard()
        strays = procfs.marked_with(MARK, self._mark)
        for pid in strays:
            os.kill(pid, signal.SIGKILL)
        if strays:
            faults.append(f"Processes {strays} had left their group; they were killed.")
        if faults:
            raise DependencyError(" ".join(faults), f"Logs are under {self.run_dir}.")

    def detach(self) -> Path:
        """Leave the processes running after this one ends; the file given back is what `local_stack down` reads."""
        path = kept.write(self.run_dir, self._processes.values(), self.settings_env())
        if self._guard:
            self._guard.detach()
        self._release_guard()
        return path

    def _process(self, name: str) -> ManagedProcess:
        if name not in self._processes:
            raise ConfigurationError(f"This stack has no process {name}.", f"It has {', '.join(self._processes)}.")
        return self._processes[name]

    def _bring_up(self, name: str) -> None:
        if self._guard is None:
            raise ConfigurationError("The stack is not started.", "Call start() first.")
        process = self._processes[name]
        process.spawn({**self.job_env(), MARK: self._mark}, self._guard)
        process.wait_ready()

    def _release_guard(self) -> None:
        if self._guard:
            self._guard.close()
        self._guard = None


def _values(run_dir: Path) -> dict[str, str]:
    python = REPO_ROOT / ".venvs" / "platform" / "bin" / "python"
    # Not resolved: a virtual environment's interpreter is a link, and its folder is what counts.
    python = python if python.exists() else Path(sys.executable)
    return {"repo": str(REPO_ROOT), "run_dir": str(run_dir), "python": str(python), "bin": str(python.parent)}
