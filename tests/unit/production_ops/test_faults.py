"""The fault table: tests are found by name, verdicts are honest, and a failure prints what runs it again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from production_ops.faults import __main__ as command
from production_ops.faults.catalogue import FAULTS, Fault
from production_ops.faults.discovery import nodes_by_fault
from production_ops.faults.running import Plan, Verdict, run_fault, verdict_of
from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT

FAULT = Fault("F99", "a fault", "nothing")


def plan(out: Path, seconds: float = 120) -> Plan:
    return Plan(7, False, out, seconds)


def test_every_promised_fault_has_a_test_and_every_named_test_a_promise() -> None:
    found = nodes_by_fault(REPO_ROOT / "tests", REPO_ROOT)
    known = {fault.id for fault in FAULTS}
    assert known - found.keys() == set()
    assert found.keys() - known == set()


def test_a_name_may_bear_several_ids(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "test_x.py").write_text("def test_f1_b2_x() -> None: ...\n\ndef test_flat() -> None: ...\n")
    assert nodes_by_fault(tmp_path, tmp_path) == {
        "F1": ["sub/test_x.py::test_f1_b2_x"],
        "B2": ["sub/test_x.py::test_f1_b2_x"],
    }


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.PASS, Verdict.PASS], Verdict.PASS),
        ([Verdict.PASS, Verdict.SKIPPED], Verdict.SKIPPED),
        ([Verdict.SKIPPED, Verdict.FAIL, Verdict.PASS], Verdict.FAIL),
    ],
)
def test_a_row_is_as_bad_as_its_worst_test(verdicts: list[Verdict], expected: Verdict) -> None:
    assert verdict_of(verdicts) is expected


def test_a_fault_without_a_test_is_not_run(tmp_path: Path) -> None:
    row = run_fault(FAULT, [], plan(tmp_path))
    assert (row.verdict, row.seen) == (Verdict.NOT_RUN, "no test is named test_f99_…")


def test_figures_failures_and_skips_are_read_and_can_be_replayed(tmp_path: Path) -> None:
    module = tmp_path / "test_planted.py"
    module.write_text(
        "import os, pytest\n"
        "def test_f99_a(record_property): record_property('seed', os.environ['FAULTS_SEED'])\n"
        "def test_f99_b(): assert 1 == 2\n"
        "def test_f99_c(): pytest.skip('no disk')\n"
    )
    row = run_fault(FAULT, [f"{module}::test_f99_{name}" for name in "abc"], plan(tmp_path))
    assert row.verdict is Verdict.FAIL
    assert row.seen == "1 of 3 tests; seed 7"
    _, failed, skipped = row.cases
    assert "assert 1 == 2" in failed.said
    assert failed.replay.startswith("FAULTS_SEED=7 .venvs/platform/bin/python -m pytest ")
    assert failed.replay.endswith("::test_f99_b")
    assert (skipped.verdict, skipped.said) == (Verdict.SKIPPED, "no disk")
    again = subprocess.run(failed.replay, shell=True, cwd=REPO_ROOT, capture_output=True, text=True, check=False)  # noqa: S602
    assert (again.returncode, "1 failed" in again.stdout) == (1, True), again.stdout


def test_a_hanging_or_broken_run_is_a_failure(tmp_path: Path) -> None:
    module = tmp_path / "test_planted.py"
    module.write_text("import time\ndef test_f99_a(): time.sleep(60)\n")
    assert run_fault(FAULT, [str(module)], plan(tmp_path, seconds=0.5)).said == "not done within 0 s"
    row = run_fault(FAULT, [str(tmp_path / "test_gone.py")], plan(tmp_path))
    assert row.verdict is Verdict.FAIL


def test_the_command_fails_unless_every_row_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passing = tmp_path / "test_planted.py"
    passing.write_text("def test_f1_a(): pass\n")
    monkeypatch.setattr(command, "nodes_by_fault", lambda *_: {"F1": [str(passing)]})
    assert command.main(["--only", "F1", "--out", str(tmp_path)]) == 0
    assert command.main(["--only", "f1,F2", "--out", str(tmp_path)]) == 1
    with pytest.raises(ConfigurationError, match="There is no fault F77"):
        command.main(["--only", "F77"])
