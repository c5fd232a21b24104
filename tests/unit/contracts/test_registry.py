"""The topic files are complete, consistent with the schemas and with the typed names."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import registry, topics_names
from contracts.registry import CONTRACTS_DIR, Topic, load_schema, load_topics, topic
from shared_utils.errors import ContractError

EVENTS = [each for each in load_topics().values() if each.schema is not None]


def test_the_typed_names_are_the_topics_with_a_schema() -> None:
    assert {each.name for each in EVENTS} == set(topics_names.TYPED_TOPICS)
    assert registry.TOPICS is load_topics()


def test_every_schema_belongs_to_one_topic() -> None:
    stems = [path.name.removesuffix(".schema.json") for path in (CONTRACTS_DIR / "schemas").iterdir()]
    assert sorted(stems) == sorted(str(each.schema) for each in EVENTS)


@pytest.mark.parametrize("each", EVENTS, ids=lambda each: each.name)
def test_the_key_is_a_required_field_and_the_dlq_exists(each: Topic) -> None:
    schema = load_schema(str(each.schema))
    assert each.key in schema["required"]
    assert not each.dlq or topics_names.dlq_name(each.name) in load_topics()
    assert each.name.endswith(f".v{each.version}")
    assert str(each.schema).endswith(f".v{each.version}")


def test_a_dead_letter_topic_has_one_partition_and_a_source() -> None:
    for each in load_topics().values():
        if topics_names.is_dlq(each.name):
            assert (each.partitions, each.schema, each.dlq) == (1, None, False)
            assert load_topics()[each.name.removesuffix(".dlq")].dlq


def test_a_late_topic_has_a_source_and_its_key() -> None:
    for each in load_topics().values():
        if topics_names.is_late(each.name):
            source = load_topics()[each.name.removesuffix(".late")]
            assert (each.schema, each.key, each.dlq) == (None, source.key, False)


@pytest.mark.parametrize("each", EVENTS, ids=lambda each: each.name)
def test_the_schemas_share_their_common_fields_and_bound_every_integer(each: Topic) -> None:
    schema, clicks = load_schema(str(each.schema)), load_schema("click_event.v1")
    for name in ("event_id",) * (each.name in topics_names.EVENT_TOPICS) + ("event_time",):
        shared, own = clicks["properties"][name], schema["properties"][name]
        assert {**own, "description": shared["description"]} == shared
    assert all(sub["maximum"] < 2**63 and sub["minimum"] >= -(2**63) for sub in integers(schema))


def integers(schema: registry.JsonSchema) -> list[registry.JsonSchema]:
    """The schemas of all integer fields, those of array elements included."""
    found = []
    for sub in schema.get("properties", {}).values():
        found += [sub] if "integer" in sub["type"] else []
        found += integers(sub.get("items", {}))
    return found


def test_an_unknown_topic_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"shop\.click\.v1"):
        topic("shop.click.v2")


@pytest.mark.parametrize("fault", [("key: customer_id\n", ""), ("name: shop.click.v1", "name: shop.clicks.v1")])
def test_a_faulty_topic_file_is_an_error(tmp_path: Path, fault: tuple[str, str]) -> None:
    text = (CONTRACTS_DIR / "topics" / "shop.click.v1.yaml").read_text().replace(*fault)
    (tmp_path / "shop.click.v1.yaml").write_text(text)
    with pytest.raises(ContractError):
        load_topics(tmp_path)


def test_a_broken_schema_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "click_event.v1.schema.json").write_text("{")
    with pytest.raises(ContractError):
        load_schema("click_event.v1", tmp_path)
