"""Print a bearer token: `python -m model_serving.mint_token --scope recommendations:read --ttl 3600`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from model_serving.tokens import Scope, mint
from shared_utils.cli import run_main
from shared_utils.settings import load_settings

MAX_TTL_SECONDS = 24 * 3600


def main(argv: Sequence[str] | None = None) -> int:
    """Write one token and a line end to standard output."""
    parser = argparse.ArgumentParser(prog="python -m model_serving.mint_token", description="Print a bearer token.")
    parser.add_argument("--scope", action="append", choices=[s.value for s in Scope], help="repeatable; default: all")
    parser.add_argument("--ttl", type=_ttl, default=3600, metavar="SECONDS", help="life time, at most a day")
    parser.add_argument("--subject", default="cli", help="who will ask")
    arguments = parser.parse_args(argv)
    scopes = [Scope(text) for text in arguments.scope or list(Scope)]
    auth = load_settings().auth
    sys.stdout.write(mint(auth, scopes, arguments.ttl, subject=arguments.subject, now=time.time()) + "\n")
    return 0


def _ttl(text: str) -> int:
    seconds = int(text)
    if not 0 < seconds <= MAX_TTL_SECONDS:
        raise argparse.ArgumentTypeError(f"between 1 and {MAX_TTL_SECONDS}")
    return seconds


if __name__ == "__main__":
    run_main(main)
