"""`python -m sandbox`: serve the sandbox in the foreground and say how to point at it."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

from sandbox.config import SHOP_CUSTOMERS, SandboxConfig
from sandbox.core.errors import SandboxError
from sandbox.credentials import environment
from sandbox.server import serve


def parse(arguments: list[str]) -> SandboxConfig:
    """The command line as a config."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--customers", type=int, default=SHOP_CUSTOMERS)
    parser.add_argument("--seed", type=int, default=SandboxConfig.seed)
    parser.add_argument("--today", type=date.fromisoformat, help="YYYY-MM-DD; default: real today")
    parser.add_argument("--state", type=Path, help="folder that keeps state between starts")
    parser.add_argument("--limits-scale", type=float, default=1.0, help="multiplies request limits")
    options = parser.parse_args(arguments)
    return replace(
        SandboxConfig(),
        port=options.port,
        customers=options.customers,
        seed=options.seed,
        today=options.today,
        state_dir=options.state,
        limits_scale=options.limits_scale,
    )


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = parse(sys.argv[1:])
    settings = environment(f"http://{config.host}:{config.port}")
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in settings.items()))
    sys.stdout.flush()
    try:
        serve(config)
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
