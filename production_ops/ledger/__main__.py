"""The ledger (`make ledger`): every event id from its producer to Kafka, the lake and the features, by intended fate.

Reads: `truth/fates.parquet` of a run, the topics (a Kafka client of its own), the lake's Delta tables. Writes:
`ledger.json` and `ledger.prom`. Exit code: 0 when nothing is lost, duplicated, misrouted or reordered and every stage
that was demanded was judged, else 1.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from data_lake.storage import root_at
from data_sources.spool import FATES_FILE
from production_ops.ledger.balance import balance
from production_ops.ledger.model import Rules, Stage
from production_ops.ledger.reading import read_evidence
from production_ops.ledger.report import print_report, write_json, write_metrics
from production_ops.running_stack import broker_is_named, stack_settings
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError
from shared_utils.settings import REPO_ROOT, LakeSettings, Settings, load_settings

EVIDENCE_READ: Final = "Evidence read:"
"""What comes after it is judged without Kafka and the lake: they may change."""
_WIDTH = 140


def rules_of(settings: Settings, *, demanded: Sequence[Stage] = (), copies: bool = False, judge: bool = False) -> Rules:
    """The rules of a run with these settings."""
    return Rules(
        demanded=frozenset(demanded),
        copies_allowed=copies,
        judge_strangers=judge,
        allowed_lateness_ms=settings.lake.allowed_lateness_seconds * 1000,
        session_lateness_ms=settings.flink.session_lateness_seconds * 1000,
    )


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Millions of records without a cycle among them: each search through them all would find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@no_search_for_cycles()
def main(argv: Sequence[str] | None = None) -> int:
    """Judge, print and write; 1 when it does not balance."""
    arguments = _parser().parse_args(argv)
    settings = load_settings() if broker_is_named() else stack_settings(arguments.run_dir)[0]
    run_dir: Path = REPO_ROOT / (arguments.run_dir or settings.run_dir)
    in_folder = arguments.run_dir and isinstance(settings.lake.root, Path)
    lake = root_at(arguments.lake or (run_dir / "lake" if in_folder else settings.lake.root), settings.object_store)
    truth = arguments.truth or run_dir / FATES_FILE
    readers = dict(arguments.wait_for)
    evidence = read_evidence(settings.kafka.bootstrap_servers, lake, truth, arguments.due_by, readers)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(
        f"{EVIDENCE_READ} {sum(map(len, evidence.topics.values())):,} records in {len(evidence.topics)} topics"
    )
    rules = rules_of(
        settings,
        demanded=_stages(arguments.stages),
        copies=arguments.copies_allowed,
        judge=arguments.judge_strangers,
    )
    result = balance(evidence, rules)
    print_report(result, console, shown=arguments.show)
    out: Path = arguments.out or run_dir / "ledger"
    out.mkdir(parents=True, exist_ok=True)
    console.print(f"Written: {write_json(result, out)}, {write_metrics(result, out)}", soft_wrap=True)
    return 0 if result.balanced else 1


def _lake(text: str) -> Path | str:
    return LakeSettings.model_validate({"root": text}).root


def _reader(text: str) -> tuple[str, list[str]]:
    """A consumer group and its topics."""
    group, equals, topics = text.partition("=")
    if not (group and equals and all(topics.split(","))):
        raise argparse.ArgumentTypeError(f"{text!r} is not GROUP=TOPIC,...")
    return group, topics.split(",")


def _instant(text: str) -> datetime:
    """An instant in ISO 8601, UTC where it names no zone."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make ledger", description=__doc__)
    parser.add_argument("--run-dir", type=Path, help="the run's folder, with truth/ and lake/ (default: the settings')")
    parser.add_argument("--truth", type=Path, help="the truth file (default: <run-dir>/truth/fates.parquet)")
    parser.add_argument("--lake", type=_lake, help="the lake's folder, or s3://bucket/prefix")
    parser.add_argument(
        "--due-by",
        type=_instant,
        metavar="INSTANT",
        help="a replay by the clock stopped after this instant: what was due later need not be there (default: all)",
    )
    parser.add_argument(
        "--wait-for",
        type=_reader,
        action="append",
        default=[],
        metavar="GROUP=TOPIC,...",
        help="read the features once this consumer group has read these topics to their end; may be repeated",
    )
    parser.add_argument("--out", type=Path, help="where ledger.json and ledger.prom go (default: <run-dir>/ledger)")
    parser.add_argument("--stages", default="", help=f"stages that must be judged: all, or of {', '.join(Stage)}")
    parser.add_argument("--show", type=int, default=5, help="differences shown of each stage and kind")
    parser.add_argument(
        "--copies-allowed",
        action="store_true",
        help="a producer was killed: a record may stand twice in Kafka if its copies end as duplicates",
    )
    parser.add_argument(
        "--judge-strangers",
        action="store_true",
        help="give records that no producer announced the fate of their contract, rather than call them misrouted",
    )
    return parser


def _stages(text: str) -> list[Stage]:
    if text == "all":
        return list(Stage)
    try:
        return [Stage(name) for name in text.split(",") if name]
    except ValueError as exc:
        raise ConfigurationError(f"{exc}.", f"Name all, or stages of {', '.join(Stage)}.") from exc


if __name__ == "__main__":
    run_main(main)
