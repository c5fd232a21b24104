"""The report says what the engine says, in one unit."""

from __future__ import annotations

import pytest

from production_ops.compose_stack import report
from production_ops.compose_stack.report import Running, memory_table, size_table, to_bytes

MIB = 1024**2


@pytest.mark.parametrize(
    ("text", "size"), [("0B", 0), ("235.5MiB", 235.5 * MIB), ("1.5GiB", 1536 * MIB), ("12.5kB", 12_500)]
)
def test_the_engines_sizes_are_read(text: str, size: float) -> None:
    assert to_bytes(text) == size


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="-- is no size"):
        to_bytes("--")


def test_the_largest_comes_first_and_all_is_the_sum() -> None:
    small, large = Running("redis", "r:1", 5 * MIB, 512 * MIB), Running("kafka", "k:1", 250 * MIB, 1024 * MIB)
    lines = memory_table([small, large]).splitlines()

    assert [line.split() for line in lines[1:]] == [["kafka", "250", "1024"], ["redis", "5", "512"], ["all", "255"]]
    assert [line.split() for line in size_table({"r:1": 100_000_000, "k:1": 300_000_000}).splitlines()[1:]] == [
        ["k:1", "300"],
        ["r:1", "100"],
    ]


def test_the_stack_is_looked_at_before_a_cold_build_takes_its_images_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = []

    def cold_build() -> float:
        built.append("all")
        return 60.0

    monkeypatch.setattr(report, "cold_build", cold_build)
    monkeypatch.setattr(report, "running", lambda: [Running("redis", "sha256:1" if built else "r:1", 5 * MIB, 9 * MIB)])
    monkeypatch.setattr(report, "image_bytes", lambda images: dict.fromkeys(images, 100_000_000))

    report.main(["--cold-build"])

    said = capsys.readouterr().out
    assert said.startswith("Cold build: 60 s")
    assert [line.split() for line in said.splitlines() if line.startswith("r:1")] == [["r:1", "100"]]
