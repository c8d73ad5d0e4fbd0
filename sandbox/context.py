"""What the server hands to each vendor it builds: config, clock, request log, shop, dice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random

from sandbox.config import SandboxConfig
from sandbox.core.clock import SandboxClock
from sandbox.core.randomness import seeded
from sandbox.core.request_log import RequestLog
from sandbox.shop.shop import Shop


@dataclass(frozen=True)
class SandboxContext:
    """Shared by all vendors of one sandbox."""

    config: SandboxConfig
    clock: SandboxClock
    requests: RequestLog
    shop: Shop

    def now(self) -> datetime:
        """The sandbox's present moment, UTC."""
        return self.clock.now()

    def rng(self, *names: object) -> Random:
        """Repeatable random numbers, one independent stream per name."""
        return seeded(self.config.seed, *names)
