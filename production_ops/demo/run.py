"""One whole run: servers up, sources to a served shelf, each proof asked where its evidence lies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from rich.console import Console

from ml_modeling.registry.aliases import CHALLENGER
from model_serving.tokens import Scope, mint
from production_ops.demo import evidence, live, page
from production_ops.demo.evidence import Offline
from production_ops.demo.memory import MemoryWatch
from production_ops.demo.outcome import Outcome
from production_ops.demo.slice import EngineSlice
from production_ops.demo.steps import Step, run_steps
from production_ops.demo.traffic import ask_for, floor_ms
from production_ops.demo.verdict import print_verdict
from production_ops.demo.world import (
    KAFKA,
    PINNED,
    STORED,
    STREAMED,
    TRAINED,
    TWIN,
    World,
    evidence_step,
    gold_steps,
    history_steps,
    ledger_step,
    model_steps,
    stream_step,
    twin_step,
)
from production_ops.proofs import lake, live_shelf, recommender
from production_ops.proofs.result import ProofResult
from shared_utils.local_stack import LocalStack
from shared_utils.settings import Settings, override_settings

SERVING = "serving"
SERVERS = ("kafka", "redis", "sail", SERVING)
DATA_SERVERS = ("redis", "sail")
"""Up before the first step; Kafka, which takes seconds, starts beside the first ones."""
TRAFFIC = 600
WAIT_FOR_DECISIONS_SECONDS = 20.0


def start_servers(stack: LocalStack, console: Console, names: Sequence[str]) -> None:
    """Start servers and say how long each took."""
    with console.status(f"Starting {', '.join(names)}"):
        stack.start(*names)
    for name in names:
        say_started(stack, console, name)


def say_started(stack: LocalStack, console: Console, name: str) -> None:
    """One line for a server that is up."""
    console.print(f"  [green]✓[/] {name} at {stack.address(name)} [dim]{stack.startup_seconds(name):.1f} s[/]")


class Stages:
    """Runs the stages of one world on one stack, and notes what each step and each proof took."""

    def __init__(self, world: World, stack: LocalStack, console: Console, outcome: Outcome) -> None:
        self.world, self.stack, self.console, self.outcome = world, stack, console, outcome

    def run(self, title: str, steps: Sequence[Step], *, workers: int = 2) -> None:
        """Run steps; Sail starts afresh, because it keeps the memory of all that it has done."""
        self.console.print(f"[bold]{title}[/]")
        self.stack.restart("sail")
        self.run_steps(steps, workers=workers)

    def run_steps(self, steps: Sequence[Step], *, workers: int = 2) -> None:
        """Run steps on the servers as they are."""
        timeline = run_steps(
            steps,
            logs=self.world.run_dir / "logs",
            environment=self.stack.job_env(),
            console=self.console,
            workers=workers,
        )
        self.outcome.timelines.append(timeline)

    def prove(self, proof: Callable[[], ProofResult]) -> None:
        """Ask a proof and keep its answer."""
        with self.console.status("proving"):
            self.ask(proof)

    def proof_step(self, name: str, proof: Callable[[], ProofResult], *, after: tuple[str, ...] = ()) -> Step:
        """A proof beside other steps."""
        return Step(name, lambda: self.ask(proof), after, own_line=True)

    def ask(self, proof: Callable[[], ProofResult]) -> None:
        """Keep a proof's answer and say it."""
        started = time.monotonic()
        result = proof()
        self.outcome.results.append(result)
        colour = "green" if result.passed else "red"
        self.console.print(f"  [{colour}]{result.word}[/] {result.name} [dim]{time.monotonic() - started:.1f} s[/]")


def build_world(
    world: World, stack: LocalStack, console: Console, outcome: Outcome, *, beside: Sequence[Step] = ()
) -> Settings:
    """Sources to a registered model and a filled store, with the proofs that look at the lake on the way.

    `beside` are steps that go on beside the end of the training, which judges with one core. Not beside its fits: their
    threads wait for each other, and one that does not get its core holds up both.
    """
    settings = override_settings(stack.settings_env())
    stages = Stages(world, stack, console, outcome)
    kafka = Step(KAFKA, partial(stack.start, "kafka"))
    stages.run("History into the lake, live weeks into Kafka", [kafka, *history_steps(world)])
    engines = EngineSlice(world, stack)
    try:
        # Three at a time: the stream and Spark's slice keep a core each, what Sail does between its fans less than one.
        stages.run(
            "Live weeks by stream and by batch, features in gold; a slice of gold by both engines",
            [*live_weeks_steps(stages, settings), *slice_steps(stages, engines)],
            workers=3,
        )
    finally:
        engines.spark.stop()
    prove_point_in_time = partial(evidence.prove_point_in_time, world, settings)
    prove_training_rows = partial(evidence.prove_training_rows, world, settings)
    # One after the other, with a core each beside the training's reading: by its fits, which want both, they are over.
    rows = stages.proof_step("training rows proof", prove_training_rows, after=(PINNED,))
    point_in_time = stages.proof_step("point-in-time proof", prove_point_in_time, after=(STORED,))
    title = "A filled store, a model and what it read" + (", the live weeks through Flink" if beside else "")
    steps = [*model_steps(world, store_after=(rows.name,)), rows, point_in_time, *beside]
    stages.run(title, steps, workers=3)
    stages.prove(lambda: recommender.beats_peers(evidence.training_report(world)))
    return settings


def live_weeks_steps(stages: Stages, settings: Settings) -> list[Step]:
    """The live weeks into silver by both roads, the two proven equal, then silver into gold.

    The proofs read silver as the stream left it: the first step into gold repairs its late rows.
    """
    world, twin = stages.world, stages.world.run_dir / "twin"
    twin_environment = {**stages.stack.job_env(), "SHOP_LAKE__ROOT": str(twin)}
    linked = Step("second lake linked", partial(lake.link_beside, world.lake, twin), (STREAMED,))
    balance = partial(evidence.prove_ledger, world, settings)
    equal = partial(lake.stream_equals_batch, world.lake, twin, (world.cutoff, world.as_of))
    proofs = [
        stages.proof_step("event ledger proof", balance, after=(STREAMED,)),
        stages.proof_step("stream = batch proof", equal, after=(TWIN,)),
    ]
    return [
        stream_step(world),
        linked,
        replace(twin_step(world), environment=twin_environment, after=(linked.name,)),
        *proofs,
        *gold_steps(world, after=tuple(proof.name for proof in proofs)),
    ]


def slice_steps(stages: Stages, engines: EngineSlice) -> list[Step]:
    """A slice of gold by both engines, proven equal; Spark is stopped as soon as it has done its part."""

    def stop_spark() -> None:
        stages.outcome.note_servers(engines.spark)
        engines.spark.stop()

    steps = engines.steps()
    done = tuple(step.name for step in steps)
    agree = partial(lake.engines_agree, engines.lakes["sail"], engines.lakes["spark"])
    return [*steps, Step("Spark stopped", stop_spark, done), stages.proof_step("slice proof", agree, after=done)]


def serving_step(world: World, stack: LocalStack, console: Console) -> Step:
    """The API as soon as there is a model: beside what Flink still reads."""
    return Step("serving started", partial(start_serving, world, stack, console), (TRAINED,), own_line=True)


def start_serving(world: World, stack: LocalStack, console: Console) -> None:
    """Start the API on the model that the gate let through, else on the one that it refused, and say so."""
    if not evidence.training_report(world)["champion"]:
        console.print("  the gate refused the model: there is no @champion, the API shows @challenger", style="yellow")
        stack.set_environment({**world.environment(), "SHOP_SERVING__MODEL_ALIAS": CHALLENGER})
    stack.start(SERVING)
    say_started(stack, console, SERVING)


def ask_for_shelves(world: World, stack: LocalStack, settings: Settings, console: Console, outcome: Outcome) -> str:
    """Ask the API for every shelf of the sample. Gives the token that was used."""
    console.print("[bold]Live answers[/]")
    if not stack.alive(SERVING):
        start_serving(world, stack, console)
    base_url, token = (
        f"http://{stack.address(SERVING)}",
        mint(settings.auth, list(Scope), 3600, subject="demo", now=time.time()),
    )
    customers = evidence.customers_of(world, TRAFFIC)
    ask_for(base_url, token, customers[:20])
    outcome.floor = floor_ms(base_url)
    outcome.answers = ask_for(base_url, token, customers)
    return token


def prove_shelves(world: World, settings: Settings, outcome: Outcome, offline: Offline) -> None:
    """The answers proven by their decisions."""
    decisions = evidence.wait_for_decisions(settings, len(outcome.answers), WAIT_FOR_DECISIONS_SECONDS)
    outcome.results += evidence.prove_served(world, offline, outcome.answers, decisions, outcome.floor)


def live_world(stages: Stages, settings: Settings, token: str, offline: Offline) -> None:
    """What Flink made of the live weeks into the live store, then shoppers click: shelves, features, alerts proven.

    While Flink and the writer catch up the nightly shelves are proven and the ledger reads all that is before the
    features; shoppers click while it judges what it has read.
    """
    world, outcome = stages.world, stages.outcome
    stages.console.print("[bold]The live path[/]")
    start_servers(stages.stack, stages.console, (live.WRITER,))

    def click() -> None:
        base_url = f"http://{stages.stack.address(SERVING)}"
        outcome.reactions = live.let_shoppers_click(world, settings, offline, outcome.answers, base_url, token)

    through = Step("live weeks through Flink", partial(live.wait_for_flink, stages.stack, settings))
    shelves = Step("shelves proven", partial(prove_shelves, world, settings, outcome, offline))
    fraud = stages.proof_step("fraud proof", partial(live.prove_fraud, world, settings), after=(through.name,))
    read = evidence_step()
    shoppers = Step("shoppers click", click, after=(shelves.name, read.name))
    parity = stages.proof_step(
        "live parity proof",
        lambda: live.prove_live_parity(world, settings, offline, outcome.reactions),
        after=(shoppers.name,),
    )
    stages.run_steps([through, ledger_step(), shelves, fraud, read, shoppers, parity], workers=3)
    stages.prove(lambda: live.prove_live_ledger(world))
    stages.prove(lambda: live_shelf.shelf_reacts(outcome.reactions))


def run(world: World, *, keep: bool, console: Console) -> list[ProofResult]:
    """The whole demo; gives the proofs' results.

    Raises:
        PlatformError: a step or a server failed.
    """
    started = time.monotonic()
    shutil.rmtree(world.run_dir, ignore_errors=True)
    stack, outcome, kept = LocalStack(world.run_dir, (*SERVERS, *live.FLINK, live.WRITER)), Outcome(), False
    stack.set_environment(world.environment())
    try:
        with MemoryWatch() as memory:
            start_servers(stack, console, DATA_SERVERS)
            offline: Future[Offline] = Future()
            serving = serving_step(world, stack, console)
            judge = Step(
                "offline view loaded", lambda: offline.set_result(evidence.load_offline(world)), (serving.name,)
            )
            beside = [*live.flink_side(stack), serving, judge]
            settings = build_world(world, stack, console, outcome, beside=beside)
            token = ask_for_shelves(world, stack, settings, console, outcome)
            live_world(Stages(world, stack, console, outcome), settings, token, offline.result())
        outcome.note_servers(stack)
        seconds = time.monotonic() - started
        path = page.write(world, outcome, memory.peak, seconds)
        page.print_resources(outcome, memory.peak, seconds, console)
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
