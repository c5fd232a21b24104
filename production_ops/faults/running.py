"""Running the tests of one fault in a process of its own, and reading what they say."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from production_ops.faults.catalogue import Fault
from shared_utils.environments import platform_python
from shared_utils.settings import REPO_ROOT, process_environment

SEED: Final = "FAULTS_SEED"
FULL: Final = "FAULTS_FULL"
_WORDS_SHOWN: Final = 300


class Verdict(StrEnum):
    """How a row ended. Only PASS holds a promise."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True, slots=True)
class Case:
    """One test: its node id, how it ended, its figures, and what it said where it did not pass."""

    node: str
    verdict: Verdict
    seconds: float
    figures: dict[str, str]
    said: str
    replay: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    fault: Fault
    verdict: Verdict
    seconds: float
    cases: Sequence[Case]
    said: str = ""

    @property
    def seen(self) -> str:
        """The figures of all its tests, else how many passed."""
        figures = [f"{name} {value}" for case in self.cases for name, value in case.figures.items()]
        passed = sum(case.verdict is Verdict.PASS for case in self.cases)
        return "; ".join([f"{passed} of {len(self.cases)} tests", *figures]) if self.cases else self.said


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run: the seed, whole or short, where reports go, and how long one fault may take."""

    seed: int
    full: bool
    out: Path
    seconds: float


def run_fault(fault: Fault, nodes: Sequence[str], plan: Plan) -> Row:
    """Run a fault's tests; NOT RUN when it has none."""
    if not nodes:
        return Row(fault, Verdict.NOT_RUN, 0.0, (), f"no test is named test_{fault.id.lower()}_…")
    report = (plan.out / f"{fault.id}.xml").resolve()
    report.unlink(missing_ok=True)
    began = time.monotonic()
    argv = [str(platform_python()), "-m", "pytest", "-q", "-o", "junit_family=xunit1", f"--junitxml={report}", *nodes]
    ended = _run(argv, plan, plan.out / f"{fault.id}.log")
    seconds = time.monotonic() - began
    cases = read_cases(report, nodes, plan) if report.exists() else []
    if ended is None:
        return Row(fault, Verdict.FAIL, seconds, cases, f"not done within {plan.seconds:.0f} s")
    if not cases:
        return Row(fault, Verdict.FAIL, seconds, cases, f"pytest ended with {ended}; see {plan.out / fault.id}.log")
    return Row(fault, verdict_of([case.verdict for case in cases]), seconds, cases)


def verdict_of(verdicts: Sequence[Verdict]) -> Verdict:
    """One failure fails a row; a row of which a part was skipped is not whole."""
    for worst in (Verdict.FAIL, Verdict.SKIPPED):
        if worst in verdicts:
            return worst
    return Verdict.PASS


def replay_command(node: str, plan: Plan) -> str:
    """The one command that runs a test again, alike."""
    settings = f"{SEED}={plan.seed}" + (f" {FULL}=1" if plan.full else "")
    return f"{settings} {platform_python().relative_to(REPO_ROOT)} -m pytest {shlex.quote(node)}"


def read_cases(report: Path, nodes: Sequence[str], plan: Plan) -> list[Case]:
    """The tests of pytest's own JUnit report; `nodes` are those that were asked for."""
    files = {node.partition("::")[2]: node.partition("::")[0] for node in nodes}
    tree = ET.parse(report)  # noqa: S314 - pytest's own file
    return [_case(element, files, plan) for element in tree.iter("testcase")]


def _case(element: ET.Element, files: Mapping[str, str], plan: Plan) -> Case:
    name = element.get("name", "")
    node = f"{files.get(name.partition('[')[0], '')}::{name}"
    bad = next((child for tag in ("failure", "error") if (child := element.find(tag)) is not None), None)
    skipped = element.find("skipped")
    told = bad if bad is not None else skipped
    verdict = Verdict.FAIL if bad is not None else Verdict.SKIPPED if skipped is not None else Verdict.PASS
    figures = {prop.get("name", ""): prop.get("value", "") for prop in element.iter("property")}
    said = "" if told is None else (told.get("message") or "")[:_WORDS_SHOWN]
    return Case(node, verdict, float(element.get("time", 0)), figures, said, replay_command(node, plan))


def _run(argv: Sequence[str], plan: Plan, log: Path) -> int | None:
    """The exit code, None when the time is over; then the whole process group is ended."""
    environment = {**process_environment(), SEED: str(plan.seed)}
    environment.update({FULL: "1"} if plan.full else {})
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and tests
            argv, cwd=REPO_ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return process.wait(plan.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                # The servers of the tests notice that their parent is gone and end too.
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
