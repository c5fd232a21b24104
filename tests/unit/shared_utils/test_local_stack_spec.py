from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from shared_utils.errors import ConfigurationError
from shared_utils.local_stack import LocalStack, kept
from shared_utils.local_stack.__main__ import exports
from shared_utils.local_stack.guard import watch
from shared_utils.local_stack.managed import new_cluster_id
from shared_utils.local_stack.ports import free_port
from shared_utils.local_stack.spec import ProcessSpec, TcpReady, in_waves, load_specs


def spec(*after: str) -> ProcessSpec:
    return ProcessSpec(argv=("true",), ready=TcpReady(kind="tcp"), after=after)


def test_the_platforms_own_list_is_valid() -> None:
    specs = load_specs()

    assert {"kafka", "redis", "sail", "serving"} <= set(specs)
    assert "serving" in in_waves(specs, specs)[-1]


def test_a_process_starts_after_those_asked_for_that_it_names() -> None:
    specs = {"a": spec("b"), "b": spec("c"), "c": spec(), "d": spec()}

    assert in_waves(["a", "b", "c", "d"], specs) == [["c", "d"], ["b"], ["a"]]
    assert in_waves(["a"], specs) == [["a"]]


def test_a_circle_and_an_unknown_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="wait for one another"):
        in_waves(["a", "b"], {"a": spec("b"), "b": spec("a")})
    with pytest.raises(ConfigurationError, match="No process is called kafak"):
        in_waves(["kafak"], {"kafka": spec()})


@pytest.mark.parametrize(
    "text",
    [
        "a: {argv: [x]}",
        "a: {argv: [x], ready: {kind: tcp}, ports: []}",
        "a: {argv: [x], ready: {kind: tcp}, colour: red}",
        "- a",
        ":",
    ],
)
def test_a_malformed_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "processes.yaml"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match="process list"):
        load_specs(path)


def test_a_generated_secret_is_shown_by_the_name_of_its_file(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, ["object_store"])
    secret = stack.settings_env()["SHOP_OBJECT_STORE__SECRET_KEY"]
    assert len(secret) == 40
    assert LocalStack(tmp_path / "other", ["object_store"]).settings_env()["SHOP_OBJECT_STORE__SECRET_KEY"] != secret
    lines = exports(stack)
    assert f'export SHOP_OBJECT_STORE__SECRET_KEY="$(cat {tmp_path}/object_store/secret_key)"' in lines
    assert secret not in "\n".join(lines)


def test_a_secret_is_kept_for_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "object_store").mkdir()
    (tmp_path / "object_store" / "access_key").write_text("known")
    assert LocalStack(tmp_path, ["object_store"]).settings_env()["AWS_ACCESS_KEY_ID"] == "known"


def test_the_record_of_a_kept_stack_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert kept.write(tmp_path, [], {"SHOP_OBJECT_STORE__SECRET_KEY": "hush"}).stat().st_mode & 0o077 == 0


def test_free_ports_stay_below_the_ephemeral_range_and_avoid_the_taken() -> None:
    first = free_port()

    assert first < 32_768
    assert free_port(frozenset({first})) != first


def test_a_cluster_id_never_starts_with_a_dash() -> None:
    dash, good = uuid.UUID(int=0xF8 << 120), uuid.UUID(int=0)

    assert new_cluster_id(iter([dash, good]).__next__) == "A" * 22


def test_the_guard_keeps_what_was_neither_stopped_nor_detached() -> None:
    assert watch(["+1\n", "+2\n", "-1\n"]) == {2}
    assert watch(["+1\n", "detach\n"]) == set()
