"""The process runner, on small stand-in servers: start, failure, kill, freeze, and that nothing ever survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from shared_utils.doctor import judge_kept
from shared_utils.errors import ConfigurationError, DependencyError
from shared_utils.local_stack import LocalStack, kept, procfs
from shared_utils.local_stack.ports import LOOPBACK

pytestmark = pytest.mark.integration

SERVER = """
import http.server, os, pathlib, signal, subprocess, sys
folder, port, mode = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if mode == "dies":
    sys.exit("cannot open the ledger")
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "family":
    child = subprocess.Popen(["sleep", "600"])
    (folder / "child").write_text(str(child.pid))
if mode == "workers":
    child = subprocess.Popen(["sleep", "600"], process_group=0)
    (folder / "child").write_text(str(child.pid))
if mode == "runaway":
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (folder / "child").write_text(str(child.pid))
if mode == "silent":
    signal.pause()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["SHOP_RUN_DIR"].encode())
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def make_stack(tmp_path: Path) -> Callable[..., LocalStack]:
    server, specs = tmp_path / "server.py", tmp_path / "processes.yaml"
    server.write_text(SERVER)
    modes = ("plain", "dies", "stubborn", "family", "workers", "runaway", "silent")
    specs.write_text(
        "".join(
            f"{mode}:\n"
            f"  argv: ['{sys.executable}', '-S', '{server}', '{{dir}}', '{{port}}', {mode}]\n"
            f"  ready: {{kind: http, path: /}}\n"
            f"  deadline_seconds: {1 if mode == 'silent' else 20}\n"
            f"  settings: {{SHOP_REDIS__URL: 'http://{{address}}'}}\n"
            for mode in modes
        )
    )
    return lambda *names: LocalStack(tmp_path / "run", names, specs)


def gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while procfs.start_ticks(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def child_of(stack: LocalStack, name: str) -> int:
    return int((stack.run_dir / name / "child").read_text())


def test_a_server_runs_with_its_settings_and_is_gone_at_the_end(make_stack: Callable[..., LocalStack]) -> None:
    with make_stack("plain", "family") as stack:
        url = stack.settings_env()["SHOP_REDIS__URL"]
        with urllib.request.urlopen(f"http://{stack.address('plain')}/", timeout=5) as answer:
            assert answer.read().decode() == str(stack.run_dir)
        assert url == f"http://{stack.address('family')}"
        assert 0 < stack.startup_seconds("plain") < 20
        assert stack.peak_rss_bytes("family") >= stack.rss_bytes("family") > stack.rss_bytes("plain") > 2**20
        child = child_of(stack, "family")
        assert procfs.start_ticks(child) is not None
    assert procfs.start_ticks(child) is None
    assert not stack.alive("plain")
    assert stack.peak_rss_bytes("plain") > 2**20  # still known


def test_a_server_that_dies_is_reported_with_its_last_words(make_stack: Callable[..., LocalStack]) -> None:
    stack = make_stack("plain", "dies")

    with pytest.raises(DependencyError, match=r"dies \(127.0.0.1:\d+\) ended with status 1") as caught:
        stack.start()

    assert "cannot open the ledger" in caught.value.remedy
    assert str(stack.log_path("dies")) in caught.value.remedy
    assert not stack.alive("plain")


def test_a_server_that_is_never_ready_misses_its_deadline(make_stack: Callable[..., LocalStack]) -> None:
    stack = make_stack("silent")

    with pytest.raises(DependencyError, match="was not ready within 1 seconds"):
        stack.start()

    assert not stack.alive("silent")


def test_another_process_on_the_port_is_not_mistaken_for_the_server(make_stack: Callable[..., LocalStack]) -> None:
    stack = make_stack("silent")
    port = stack.address("silent").rpartition(":")[2]
    script = (
        f"import http.server as h; h.HTTPServer(('{LOOPBACK}', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
    )
    squatter = subprocess.Popen([sys.executable, "-S", "-c", script], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not procfs.listens_on([squatter.pid], int(port)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(DependencyError, match="does not own port"):
            stack.start()
    finally:
        squatter.kill()
        squatter.wait()


def test_kill_and_restart_keep_the_address(make_stack: Callable[..., LocalStack]) -> None:
    with make_stack("plain") as stack:
        address = stack.address("plain")
        stack.kill("plain")
        assert not stack.alive("plain")
        stack.restart("plain")
        assert stack.address("plain") == address
        urllib.request.urlopen(f"http://{address}/", timeout=5).close()


def test_a_paused_server_holds_its_port_and_answers_nothing(make_stack: Callable[..., LocalStack]) -> None:
    with make_stack("plain") as stack:
        url = f"http://{stack.address('plain')}/"
        stack.pause("plain")
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(url, timeout=0.3)
        stack.resume("plain")
        urllib.request.urlopen(url, timeout=5).close()
        stack.pause("plain")  # and a paused one can be stopped


def test_a_server_that_ignores_sigterm_is_killed(
    make_stack: Callable[..., LocalStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared_utils.local_stack.managed.ManagedProcess.stop.__defaults__", (0.3,))
    with make_stack("stubborn") as stack:
        pass

    assert not stack.alive("stubborn")


def test_a_child_that_left_its_group_is_found_killed_and_reported(make_stack: Callable[..., LocalStack]) -> None:
    stack = make_stack("runaway")
    stack.start()
    child = child_of(stack, "runaway")

    with pytest.raises(DependencyError, match=rf"\[{child}\] had left their group"):
        stack.stop()

    assert gone(child)


def test_a_worker_in_a_group_of_its_own_is_counted_and_ends_with_its_server(
    make_stack: Callable[..., LocalStack],
) -> None:
    with make_stack("plain", "workers") as stack:
        child = child_of(stack, "workers")
        assert os.getpgid(child) == child
        assert stack.rss_bytes("workers") > stack.rss_bytes("plain")
        stack.kill("workers")
        assert gone(child)
        stack.restart("workers")
        child = child_of(stack, "workers")

    assert gone(child)


def test_a_process_without_ports_is_ready_when_its_log_says_so(tmp_path: Path) -> None:
    specs = tmp_path / "other.yaml"
    code = "import time; print('at work', flush=True); time.sleep(600)"
    argv = f"""['{sys.executable}', '-S', '-c', "{code}"]"""
    specs.write_text(f"mute: {{argv: {argv}, ready: {{kind: log, pattern: at work}}, ports: []}}")

    with LocalStack(tmp_path / "run", ["mute"], specs) as stack:
        assert stack.alive("mute")
        assert stack.address("mute") == ""


def test_a_server_gives_way_with_all_that_it_runs(make_stack: Callable[..., LocalStack]) -> None:
    with make_stack("family", "plain") as stack:
        pid, other = stack.pid("family"), stack.pid("plain")
        assert pid
        assert other

        procfs.set_niceness(pid, 7)

        assert [psutil.Process(each).nice() for each in (pid, child_of(stack, "family"), other)] == [7, 7, 0]
        session = Path(f"/proc/{pid}/autogroup")
        assert not session.exists() or session.read_text().split()[-1] == "7"


@pytest.mark.parametrize("mode", ["family", "workers"])
def test_the_death_of_the_owner_ends_its_servers(
    make_stack: Callable[..., LocalStack], tmp_path: Path, mode: str
) -> None:
    owner = textwrap.dedent(f"""
        import signal
        from pathlib import Path
        from shared_utils.local_stack import LocalStack
        stack = LocalStack(Path({str(tmp_path / "run")!r}), ["{mode}"], Path({str(tmp_path / "processes.yaml")!r}))
        stack.start()
        print("up", flush=True)
        signal.pause()
    """)
    process = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout as output:
        assert b"up\n" in iter(output.readline, b"")
        child = int((tmp_path / "run" / mode / "child").read_text())
        leader = os.getsid(child)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    assert gone(child)
    assert gone(leader)


def test_what_was_left_running_is_stopped_by_its_record(make_stack: Callable[..., LocalStack], tmp_path: Path) -> None:
    run_dir, specs = tmp_path / "run", tmp_path / "processes.yaml"
    code = (
        "import os; from pathlib import Path; from shared_utils.local_stack import LocalStack\n"
        f"stack = LocalStack(Path({str(run_dir)!r}), ['plain'], Path({str(specs)!r}))\n"
        "stack.start(); stack.detach(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)

    (process,) = kept.read(run_dir)
    assert process.alive()
    assert kept.run_dirs(tmp_path) == [run_dir]
    assert judge_kept(tmp_path).found == "plain"
    assert kept.stop(run_dir) == ["plain"]
    assert gone(process.pid)
    assert kept.stop(run_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_its_servers_when_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "shared_utils.local_stack", "--run-dir", str(tmp_path), "up", "redis"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout as output:
        assert b"Ctrl-C stops them.\n" in iter(output.readline, b"")
        process.send_signal(number)
        assert process.wait(30) in (0, 130, -number)  # the signal may come just before it is waited for

    assert gone_from(tmp_path)


def gone_from(run_dir: Path) -> bool:
    deadline = time.monotonic() + 10
    while procfs.marked_with("SHOP_RUN_DIR", str(run_dir)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_missing_program_and_an_unknown_name_are_named(tmp_path: Path, make_stack: Callable[..., LocalStack]) -> None:
    specs = tmp_path / "other.yaml"
    specs.write_text("ghost: {argv: [no-such-program-here], ready: {kind: tcp}}")

    with pytest.raises(ConfigurationError, match="no-such-program-here of ghost is not installed"):
        LocalStack(tmp_path / "run", ["ghost"], specs).start()
    with pytest.raises(ConfigurationError, match="This stack has no process redis"):
        make_stack("plain").address("redis")
