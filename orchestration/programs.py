"""Programmes and destinations as values, made from settings.

A programme is (name, source, account). Today each vendor's variables give one; several shops with
accounts of their own become several values here, and nothing below changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import dlt_sources.smile as smile
import dlt_sources.yotpo as yotpo
from orchestration.settings import SOURCES, Settings
from vendor_http import ApiClient


@dataclass(frozen=True)
class Program:
    """One loyalty programme: its name in every table, and the vendor it is read from."""

    name: str
    source: str

    @property
    def dataset(self) -> str:
        """Schema of its raw tables."""
        return f"raw_{self.source}"


def programs() -> tuple[Program, ...]:
    """The programmes of this installation, configured or not."""
    return tuple(Program(name=source, source=source) for source in SOURCES)


def source_client(program: Program, settings: Settings) -> ApiClient | None:
    """The signed-in client of a programme's vendor; None when its key is not set."""
    if program.source == "smile":
        if settings.smile_api_key is None:
            return None
        return smile.client(
            settings.smile_api_key.get_secret_value(),
            settings.smile_base_url,
            settings.smile_requests_per_second,
        )
    if settings.yotpo_api_key is None or settings.yotpo_guid is None:
        return None
    return yotpo.client(
        settings.yotpo_guid.get_secret_value(),
        settings.yotpo_api_key.get_secret_value(),
        settings.yotpo_base_url,
        settings.yotpo_requests_per_second,
    )


def clock(settings: Settings, started_at: datetime | None = None) -> Callable[[], datetime]:
    """The product's clock: LOYALTY_NOW, else the run's start, else now; aware, UTC, constant."""
    moment = settings.now or started_at or datetime.now(UTC)
    return lambda: moment
