"""Which stack a command looks at: the one that the environment names, else the one that was left running."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared_utils.errors import ConfigurationError
from shared_utils.local_stack import kept
from shared_utils.settings import Settings, load_settings, override_settings, process_environment

_BROKER: Final = "SHOP_KAFKA__BOOTSTRAP_SERVERS"


def broker_is_named() -> bool:
    """Whether the environment names a broker."""
    return _BROKER in process_environment()


def stack_settings(run_dir: Path | None) -> tuple[Settings, str]:
    """The settings with which the running stack is found, and its name.

    Raises:
        ConfigurationError: several stacks were left running and none is named, or the named one does not run.
    """
    usual = load_settings()
    if run_dir is None and broker_is_named():
        return usual, usual.kafka.bootstrap_servers
    folders = kept.run_dirs(usual.run_dir.parent) if run_dir is None else [run_dir]
    running = [folder for folder in folders if any(process.alive() for process in kept.read(folder))]
    if len(running) > 1:
        raise ConfigurationError(
            f"Several stacks were left running: {', '.join(map(str, running))}.", "Name one of them with --run-dir."
        )
    if running:
        return override_settings(kept.environment(running[0])), str(running[0])
    if run_dir is not None:
        raise ConfigurationError(f"No stack was left running in {run_dir}.", "Start one with `make demo KEEP=1`.")
    return usual, usual.kafka.bootstrap_servers
