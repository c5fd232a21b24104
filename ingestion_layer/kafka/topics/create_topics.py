"""Bring the broker's topics to what `contracts/topics/*.yaml` says: create, extend, configure.

A change that loses records is refused. Running it again changes nothing. `--dry-run` shows the plan alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future

import confluent_kafka as kafka
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewPartitions, NewTopic
from rich.console import Console
from rich.table import Table

from contracts.registry import Topic, load_topics
from ingestion_layer.kafka.topics.plan import Action, Change, State, plan
from shared_utils.cli import run_main
from shared_utils.errors import ContractError, DependencyError
from shared_utils.kafka_helpers import answer_seconds, client_config, unreachable
from shared_utils.settings import KafkaSettings, load_settings

_REPLICATION = 1
_POLL_SECONDS = 0.05


def main(argv: Sequence[str] | None = None) -> int:
    """Apply the topic files and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    parser.add_argument(
        "--allow-data-loss", action="store_true", help="accept another cleanup policy or a shorter retention"
    )
    args = parser.parse_args(argv)
    settings = load_settings().kafka
    changes = create_topics(
        load_topics().values(), settings, allow_data_loss=args.allow_data_loss, dry_run=args.dry_run
    )
    Console().print(_table(changes, settings))
    return 0


def create_topics(
    wanted: Iterable[Topic], settings: KafkaSettings, *, allow_data_loss: bool = False, dry_run: bool = False
) -> list[Change]:
    """Apply the wanted topics to the broker; the changes that were made.

    Raises:
        ContractError: a change would lose records; nothing at all was changed.
        DependencyError: the broker does not answer.
    """
    admin = AdminClient(client_config(settings, "create-topics"))
    topics = list(wanted)
    try:
        changes = plan(topics, _states(admin, topics, settings), allow_data_loss=allow_data_loss)
        _refuse(changes)
        if not dry_run:
            _apply(admin, changes, settings)
            _wait_until_known(admin, topics, settings)
    except kafka.KafkaException as exc:
        raise unreachable(settings, exc) from exc
    return changes


def _refuse(changes: Iterable[Change]) -> None:
    refused = [f"{change.topic.name}: {change.why}" for change in changes if change.action is Action.REFUSE]
    if refused:
        raise ContractError(
            f"The topic files do not fit the broker ({'; '.join(refused)}); nothing was changed.",
            "Restore the file, move to a new topic version, or accept a loss of records with --allow-data-loss.",
        )


def _wait_until_known(admin: AdminClient, topics: list[Topic], settings: KafkaSettings) -> None:
    # The controller has agreed, but brokers learn of it a moment later; until then a producer is told "unknown topic".
    deadline = time.monotonic() + settings.delivery_timeout_ms / 1000
    while any(change.action is not Action.NOTHING for change in plan(topics, _states(admin, topics, settings))):
        if time.monotonic() > deadline:
            raise DependencyError(
                f"Kafka at {settings.bootstrap_servers} does not show the changed topics.", "Look into its log."
            )
        time.sleep(_POLL_SECONDS)


def _states(admin: AdminClient, topics: Iterable[Topic], settings: KafkaSettings) -> dict[str, State]:
    timeout = answer_seconds(settings)
    names = {topic.name for topic in topics}
    found = {name: meta for name, meta in admin.list_topics(timeout=timeout).topics.items() if name in names}
    if not found:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in found]
    answers: Mapping[ConfigResource, Future[dict[str, ConfigEntry]]] = admin.describe_configs(
        resources, request_timeout=timeout
    )
    configs = {resource.name: future.result() for resource, future in answers.items()}
    return {
        name: State(
            partitions=len(meta.partitions),
            retention_ms=int(configs[name]["retention.ms"].value or 0),
            cleanup_policy=configs[name]["cleanup.policy"].value or "",
        )
        for name, meta in found.items()
    }


def _apply(admin: AdminClient, changes: Iterable[Change], settings: KafkaSettings) -> None:
    by_action: dict[Action, list[Topic]] = {action: [] for action in Action}
    for change in changes:
        by_action[change.action].append(change.topic)
    timeout = answer_seconds(settings)
    waits: list[Future[None]] = []
    if new := [_new_topic(topic) for topic in by_action[Action.CREATE]]:
        waits += admin.create_topics(new, operation_timeout=timeout, request_timeout=timeout).values()
    if more := [NewPartitions(topic.name, topic.partitions) for topic in by_action[Action.EXTEND]]:
        waits += admin.create_partitions(more, operation_timeout=timeout, request_timeout=timeout).values()
    if altered := [_altered(topic) for topic in by_action[Action.CONFIGURE]]:
        waits += admin.incremental_alter_configs(altered, request_timeout=timeout).values()
    for wait in waits:
        wait.result()


def _configs(topic: Topic) -> dict[str, str]:
    return {"retention.ms": str(topic.retention_ms), "cleanup.policy": topic.cleanup_policy}


def _new_topic(topic: Topic) -> NewTopic:
    return NewTopic(
        topic.name, num_partitions=topic.partitions, replication_factor=_REPLICATION, config=_configs(topic)
    )


def _altered(topic: Topic) -> ConfigResource:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in _configs(topic).items()
    ]
    return ConfigResource(ConfigResource.Type.TOPIC, topic.name, incremental_configs=entries)


def _table(changes: Iterable[Change], settings: KafkaSettings) -> Table:
    table = Table(title=f"Topics at {settings.bootstrap_servers}")
    table.add_column("topic", no_wrap=True)
    for column in ("owner", "partitions", "retention", "cleanup", "action"):
        table.add_column(column)
    for change in changes:
        topic = change.topic
        retention = "for ever" if topic.retention_ms == -1 else f"{topic.retention_ms} ms"
        action = f"{change.action}: {change.why}" if change.why else change.action.value
        table.add_row(topic.name, topic.owner, str(topic.partitions), retention, topic.cleanup_policy, action)
    return table


if __name__ == "__main__":
    run_main(main)
