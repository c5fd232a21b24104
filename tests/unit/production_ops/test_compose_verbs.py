"""The verbs of the Makefile for the stack: what they would run."""

from __future__ import annotations

import subprocess

import pytest

from shared_utils.settings import REPO_ROOT


def would_run(*arguments: str) -> str:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=REPO_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("service", ["serving", "redis"])
def test_a_restart_takes_changed_code_and_settings_of_that_service_alone(service: str) -> None:
    words = would_run("restart", f"s={service}").split()
    assert {"up", "--build", "--force-recreate", "--no-deps", "--wait"} <= set(words)
    assert words[-1] == service


def test_a_restart_of_all_leaves_them_as_they_are() -> None:
    assert would_run("restart", "s=").split()[-1] == "restart"
