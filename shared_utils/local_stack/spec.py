"""The form of `deployment/local/processes.yaml`: what to start, and when it counts as ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT

SPEC_PATH = REPO_ROOT / "deployment" / "local" / "processes.yaml"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TcpReady(_Model):
    """The port accepts a connection and, when `send` is given, answers with a text that starts with `expect`."""

    kind: Literal["tcp"]
    send: str = ""
    expect: str = ""


class HttpReady(_Model):
    """`GET path` answers 200."""

    kind: Literal["http"]
    path: str


class LogReady(_Model):
    """The log of this start contains `pattern` (a regular expression)."""

    kind: Literal["log"]
    pattern: str


class KafkaReady(_Model):
    """The broker answers a metadata request, with the cluster id that its folder was formatted with."""

    kind: Literal["kafka"]


class FlinkSlotsReady(_Model):
    """The JobManager at `rest` (host:port, may hold placeholders) has the slots of the TaskManager on this port."""

    kind: Literal["flink_slots"]
    rest: str


Ready = Annotated[TcpReady | HttpReady | LogReady | KafkaReady | FlinkSlotsReady, Field(discriminator="kind")]


class Prepare(_Model):
    """A command that must have run once before the first start; `unless` is the file that it leaves."""

    unless: str
    argv: tuple[str, ...]


class ProcessSpec(_Model):
    """One server process. Strings may hold placeholders such as `{port}`; see the head of processes.yaml.

    One that listens nowhere has no ports; its readiness shows in its log.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    ready: Ready
    ports: tuple[str, ...] = ("port",)
    files: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()
    prepare: Prepare | None = None
    env: Mapping[str, str] = {}
    settings: Mapping[str, str] = {}
    after: tuple[str, ...] = ()
    deadline_seconds: float = Field(default=60.0, gt=0)
    grace_seconds: float = Field(default=15.0, gt=0)

    @model_validator(mode="after")
    def _shows_itself(self) -> Self:
        if not self.ports and not isinstance(self.ready, LogReady):
            raise ValueError("a process without ports can only be seen to be ready in its log")
        return self


def load_specs(path: Path = SPEC_PATH) -> dict[str, ProcessSpec]:
    """Every process by name.

    Raises:
        ConfigurationError: the file is not of this form.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: ProcessSpec.model_validate(body) for name, body in document.items()}
    except (OSError, yaml.YAMLError, ValidationError, AttributeError) as exc:
        raise ConfigurationError(f"The process list {path} is not valid: {exc}.", "Correct that file.") from exc


def in_waves(names: Iterable[str], specs: Mapping[str, ProcessSpec]) -> list[list[str]]:
    """The asked-for names in starting order: those of one wave may start at the same time.

    Raises:
        ConfigurationError: a name is unknown, or `after` forms a circle.
    """
    left = list(dict.fromkeys(names))
    unknown = [name for name in left if name not in specs]
    if unknown:
        raise ConfigurationError(f"No process is called {', '.join(unknown)}.", f"Known: {', '.join(specs)}.")
    waves: list[list[str]] = []
    while left:
        wave = [name for name in left if not set(specs[name].after) & set(left)]
        if not wave:
            raise ConfigurationError(f"The processes {', '.join(left)} wait for one another.", "Correct `after`.")
        waves.append(wave)
        left = [name for name in left if name not in wave]
    return waves
