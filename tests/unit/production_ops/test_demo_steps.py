"""Steps of the demo: order, a failure that says why, and a step that waits for what another one says."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from production_ops.demo.steps import Said, Step, StepFailedError, Timeline, run_steps

SAYS_THEN_WAITS = """
import sys, time
from pathlib import Path
print("fitted: at last", flush=True)
for _ in range(200):
    if Path(sys.argv[1]).exists():
        sys.exit()
    time.sleep(0.05)
sys.exit("nobody came")
"""


def run(steps: Sequence[Step], logs: Path, workers: int = 1) -> Timeline:
    console = Console(file=io.StringIO())
    return run_steps(steps, logs=logs, environment=os.environ, console=console, workers=workers)


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def test_a_step_runs_after_those_it_names(tmp_path: Path) -> None:
    done: list[str] = []
    steps = [Step(name, lambda name=name: done.append(name), after) for name, after in (("b", ("a",)), ("a", ()))]
    timeline = run(steps, tmp_path)
    assert done == ["a", "b"]
    assert timeline.over == {"a", "b"}


def test_a_step_with_a_line_of_its_own_gets_no_second_one(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    steps = [Step("told", lambda: None), Step("tells", lambda: console.print("PASS"), own_line=True)]
    run_steps(steps, logs=tmp_path, environment=os.environ, console=console)
    said = console.file.getvalue()
    assert ("✓ told" in said, "PASS" in said, "✓ tells" in said) == (True, True, False)


def test_a_failed_step_gives_the_end_of_its_log_and_stops_what_follows(tmp_path: Path) -> None:
    steps = [Step("breaks: it", python("raise SystemExit('no room')")), Step("next", lambda: None, ("breaks: it",))]
    with pytest.raises(StepFailedError, match=r"'breaks: it' ended with exit code 1:\nno room"):
        run(steps, tmp_path)


def test_a_judge_may_say_no_but_not_break(tmp_path: Path) -> None:
    run([Step("judge", python("raise SystemExit(1)"), verdict=True)], tmp_path)
    with pytest.raises(StepFailedError, match="exit code 3"):
        run([Step("judge", python("raise SystemExit(3)"), verdict=True)], tmp_path)


def test_what_waits_for_a_word_goes_on_while_its_speaker_still_runs(tmp_path: Path) -> None:
    came = tmp_path / "came"
    steps = [
        Step("said", Said("speaker", "fitted:")),
        Step("said, too", Said("speaker", "fitted:")),  # with the speaker more than there are workers
        Step("comes", came.touch, ("said",)),
        Step("speaker", python(SAYS_THEN_WAITS, str(came))),
    ]
    timeline = run(steps, tmp_path, workers=2)
    assert timeline.ended["comes"] < timeline.ended["speaker"]


def test_a_word_that_never_comes_is_an_error_once_its_speaker_has_ended(tmp_path: Path) -> None:
    steps = [Step("said", Said("speaker", "fitted:")), Step("speaker", python("print('something else')"))]
    with pytest.raises(StepFailedError, match="Step 'speaker' never said 'fitted:'"):
        run(steps, tmp_path)


@pytest.mark.timeout(30)
def test_a_speaker_that_fails_ends_the_wait(tmp_path: Path) -> None:
    steps = [Step("speaker", python("raise SystemExit('no room')")), Step("said", Said("speaker", "fitted:"))]
    with pytest.raises(StepFailedError):
        run(steps, tmp_path)


@pytest.mark.timeout(30)
def test_nobody_waits_for_a_speaker_that_will_never_start(tmp_path: Path) -> None:
    steps = [
        Step("said", Said("speaker", "fitted:")),
        Step("breaks", python("raise SystemExit('no room')")),
        Step("speaker", python("print('fitted:')"), ("breaks",)),
    ]
    with pytest.raises(StepFailedError, match="'breaks' ended"):
        run(steps, tmp_path)
