"""A pipeline file as typed data, checked as a whole before anything starts. Reads no lake and no engine."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batch_processing import spark_jobs
from data_lake.catalog import TABLES
from shared_utils.errors import ConfigurationError

Location = tuple[str | int, ...]
Lines = Mapping[Location, int]
JOBS: frozenset[str] = frozenset(module.name for module in pkgutil.iter_modules(spark_jobs.__path__))
TABLE_NAMES: frozenset[str] = frozenset(table.full_name for table in TABLES)


class Step(BaseModel):
    """One run of one job. `arguments` are the job's own, beside the interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    job: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = Field(min_length=1)
    after: tuple[str, ...] = ()
    enabled: bool = True
    arguments: Mapping[str, str | int] = {}


class Pipeline(BaseModel):
    """The steps of a file, in file order; `ordered` is the order in which they run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    steps: tuple[Step, ...] = Field(min_length=1)

    @cached_property
    def ordered(self) -> tuple[Step, ...]:
        """All steps, each after the steps it waits for; steps that wait for the same keep file order."""
        by_name = {step.name: step for step in self.steps}
        graph = {step.name: step.after for step in self.steps}
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())


def load_pipeline(path: Path) -> Pipeline:
    """The pipeline of a YAML file.

    Raises:
        ConfigurationError: the file is missing or malformed, names an unknown job, table or step, or its steps wait for
            each other in a circle. The message says where: file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw, lines = yaml.safe_load(text), _lines_of(text)
    except (OSError, yaml.YAMLError) as exc:
        raise ConfigurationError(f"The pipeline file {path} cannot be read ({exc}).", "Correct the file.") from exc
    try:
        pipeline = Pipeline.model_validate(raw)
    except ValidationError as exc:
        raise _refusal(path, lines, [(tuple(e["loc"]), e["msg"]) for e in exc.errors()]) from exc
    faults = list(_faults(pipeline))
    if faults:
        raise _refusal(path, lines, faults)
    return pipeline


def _faults(pipeline: Pipeline) -> Iterator[tuple[Location, str]]:
    """What no single field shows: names that lead nowhere, and an order that cannot be."""
    known: set[str] = set()
    names = {step.name for step in pipeline.steps}
    for index, step in enumerate(pipeline.steps):
        here: Location = ("steps", index)
        if step.name in known:
            yield (*here, "name"), f"step {step.name!r} is there twice"
        known.add(step.name)
        if step.job not in JOBS:
            yield (*here, "job"), f"unknown job {step.job!r}; there are {', '.join(sorted(JOBS))}"
        for field, values, valid in (
            ("reads", step.reads, TABLE_NAMES),
            ("writes", step.writes, TABLE_NAMES),
            ("after", step.after, names),
        ):
            for place, value in enumerate(values):
                if value not in valid:
                    kind = "step" if field == "after" else "table"
                    yield (*here, field, place), f"unknown {kind} {value!r}"
    if len(known) == len(pipeline.steps) and all(set(step.after) <= names for step in pipeline.steps):
        yield from _order_faults(pipeline)


def _order_faults(pipeline: Pipeline) -> Iterator[tuple[Location, str]]:
    try:
        ordered = pipeline.ordered
    except CycleError as exc:
        circle = " -> ".join(reversed(exc.args[1]))
        first = next(n for n, step in enumerate(pipeline.steps) if step.name in exc.args[1])
        yield ("steps", first, "after"), f"the steps wait for each other: {circle}"
        return
    before: dict[str, set[str]] = {}
    for step in ordered:
        before[step.name] = {name for parent in step.after for name in (parent, *before[parent])}
    for index, step in enumerate(pipeline.steps):
        for place, table in enumerate(step.reads):
            for writer in pipeline.steps:
                if table in writer.writes and writer.name != step.name and writer.name not in before[step.name]:
                    yield ("steps", index, "reads", place), f"{table} is written by {writer.name!r}: add it to `after`"


def _refusal(path: Path, lines: Lines, faults: list[tuple[Location, str]]) -> ConfigurationError:
    texts = [f"line {_line(lines, where)}, {'.'.join(map(str, where))}: {what}" for where, what in faults]
    return ConfigurationError(f"{path} is no valid pipeline: {'; '.join(texts)}.", "Correct the file.")


def _line(lines: Lines, where: Location) -> int:
    """The line of a location, or of the nearest thing around it that is in the file."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _lines_of(text: str) -> Lines:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return dict(_walk(root, ())) if root else {}


def _walk(node: Any, where: Location) -> Iterator[tuple[Location, int]]:
    yield where, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*where, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*where, index))
