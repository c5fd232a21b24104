"""One whole run: servers up, sources to a served shelf, each proof asked where its evidence lies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console

from ml_modeling.registry.register_with_mlflow import CHALLENGER
from model_serving.tokens import Scope, mint
from production_ops.demo import evidence, page
from production_ops.demo.steps import Step, Timeline, run_steps
from production_ops.demo.traffic import Answer, ask_for, floor_ms
from production_ops.demo.verdict import print_verdict
from production_ops.demo.world import World, data_steps, feature_steps, twin_step
from production_ops.proofs import lake, recommender
from production_ops.proofs.result import ProofResult
from shared_utils.local_stack import LocalStack
from shared_utils.settings import Settings, override_settings

SERVERS = ("kafka", "redis", "sail", "serving")
DATA_SERVERS = SERVERS[:-1]
TRAFFIC = 600
WAIT_FOR_DECISIONS_SECONDS = 20.0


@dataclass(slots=True)
class Outcome:
    """What a run leaves for the verdict and the page."""

    results: list[ProofResult] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


def start_servers(stack: LocalStack, console: Console, names: Sequence[str]) -> None:
    """Start servers and say how long each took."""
    with console.status(f"Starting {', '.join(names)}"):
        stack.start(*names)
    for name in names:
        console.print(f"  [green]✓[/] {name} at {stack.address(name)} [dim]{stack.startup_seconds(name):.1f} s[/]")


def build_world(world: World, stack: LocalStack, console: Console, outcome: Outcome) -> Settings:
    """Sources to a registered model and a filled store, with the proofs that look at the lake on the way."""
    environment = stack.job_env()
    settings = override_settings(stack.settings_env())

    def run(title: str, steps: Sequence[Step]) -> None:
        console.print(f"[bold]{title}[/]")
        outcome.timelines.append(
            run_steps(steps, logs=world.run_dir / "logs", environment=environment, console=console)
        )

    run("Events into the lake", data_steps(world))
    outcome.results.append(evidence.prove_ledger(world, settings))
    twin = lake.beside(world.lake, world.run_dir / "twin")
    console.print("[bold]The same days by the batch road[/]")
    outcome.timelines.append(
        run_steps(
            [twin_step(world)],
            logs=world.run_dir / "logs",
            environment={**environment, "SHOP_LAKE__ROOT": str(twin)},
            console=console,
        )
    )
    outcome.results.append(lake.stream_equals_batch(world.lake, twin, (world.cutoff, world.as_of)))
    run("Features and a model", feature_steps(world))
    outcome.results.append(evidence.prove_point_in_time(world, settings))
    outcome.results.append(evidence.prove_training_rows(world, settings))
    outcome.results.append(recommender.beats_peers(evidence.training_report(world)))
    return settings


def serve_world(world: World, stack: LocalStack, settings: Settings, console: Console, outcome: Outcome) -> str:
    """Start the API, ask for every shelf of the sample, and prove the answers; gives the token that was used."""
    console.print("[bold]Live answers[/]")
    if not evidence.training_report(world)["champion"]:
        console.print("  the gate refused the model: there is no @champion, the API shows @challenger", style="yellow")
        stack.set_environment({**world.environment(), "SHOP_SERVING__MODEL_ALIAS": CHALLENGER})
    start_servers(stack, console, ("serving",))
    base_url, token = (
        f"http://{stack.address('serving')}",
        mint(settings.auth, list(Scope), 3600, subject="demo", now=time.time()),
    )
    customers = evidence.customers_of(world, TRAFFIC)
    ask_for(base_url, token, customers[:20])
    outcome.floor = floor_ms(base_url)
    outcome.answers = ask_for(base_url, token, customers)
    decisions = evidence.wait_for_decisions(settings, len(outcome.answers), WAIT_FOR_DECISIONS_SECONDS)
    offline = evidence.load_offline(world)
    outcome.results += evidence.prove_served(world, offline, outcome.answers, decisions, outcome.floor)
    return token


def run(world: World, *, keep: bool, console: Console) -> list[ProofResult]:
    """The whole demo; gives the proofs' results.

    Raises:
        PlatformError: a step or a server failed.
    """
    started = time.monotonic()
    shutil.rmtree(world.run_dir, ignore_errors=True)
    stack, outcome, kept = LocalStack(world.run_dir, SERVERS), Outcome(), False
    stack.set_environment(world.environment())
    try:
        start_servers(stack, console, DATA_SERVERS)
        settings = build_world(world, stack, console, outcome)
        token = serve_world(world, stack, settings, console, outcome)
        seconds = time.monotonic() - started
        path = page.write(world, outcome.results, outcome.timelines, outcome.answers, outcome.floor, stack, seconds)
        page.print_resources(stack, seconds, console)
        print_verdict(outcome.results, console)
        console.print(f"Page: {path}")
        if keep:
            stack.detach()
            kept = True
            page.print_how_to_try(stack, token, outcome.answers[0].customer_id, console)
    finally:
        if not kept:
            stack.stop()
    return outcome.results
