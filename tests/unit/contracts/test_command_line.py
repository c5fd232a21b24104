"""The command counts by reason, shows paths, and fails when anything is refused."""

from __future__ import annotations

import io
import json

import orjson
import pytest

from contracts.topics_names import CLICK
from contracts.validators.command_line import read_values, run, tally
from contracts.validators.json_text import MAX_BYTES
from tests.unit.contracts.examples import good_examples

VIEW = next(
    orjson.dumps(orjson.loads(value)) for topic, name, value in good_examples() if (topic, name) == (CLICK, "view")
)
BAD = VIEW.replace(b"1672", b"0")


def test_all_accepted_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--topic", CLICK], io.BytesIO(VIEW + b"\n" + VIEW)) == 0
    assert "shop.click.v1: 2 events, 2 accepted, refused: none" in capsys.readouterr().out


def test_one_refused_is_exit_code_1_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--topic", CLICK], io.BytesIO(b"\n".join([VIEW, BAD, b"", VIEW]) + b"\n")) == 1
    out = capsys.readouterr().out
    assert "line 2: SCHEMA customer_id: 0 is less than the minimum of 1" in out
    assert "4 events, 2 accepted, refused: PARSE 1, SCHEMA 1" in out


def test_json_output_shows_the_first_refusals_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--topic", CLICK, "--json", "--show", "1"], io.BytesIO(BAD + b"\n" + BAD)) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["events"], report["accepted"], report["refused"]) == (2, 0, {"SCHEMA": 2})
    assert [(first["line"], first["reason"]) for first in report["first_refusals"]] == [(1, "SCHEMA")]


def test_no_input_is_no_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--topic", CLICK, "--json"], io.BytesIO(b"")) == 0
    assert json.loads(capsys.readouterr().out)["events_per_second"] == 0


def test_an_endless_line_is_one_refusal_in_bounded_memory() -> None:
    stream = io.BytesIO(b"x" * (3 * MAX_BYTES) + b"\n" + VIEW + b"\n")
    values = list(read_values(stream))
    assert len(values) == 2
    assert len(values[0]) < MAX_BYTES + 10
    assert tally(CLICK, values).reasons == {"SIZE": 1}


def test_an_unknown_topic_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stopped:
        run(["--topic", "shop.clicks.v1"], io.BytesIO(b""))
    assert stopped.value.code == 2
