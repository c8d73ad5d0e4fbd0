"""Keeps addresses of people out of the logs: httpx writes each request's URL at INFO.

URLs may hold e-mails (a query such as `customer_email`); credentials never travel in them here.
"""

import logging


class _NoAddresses(logging.Filter):
    """Lets warnings pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


def keep_addresses_out_of_logs() -> None:
    """Filter httpx's logger, once per process however often it is called."""
    logger = logging.getLogger("httpx")
    if not any(isinstance(entry, _NoAddresses) for entry in logger.filters):
        logger.addFilter(_NoAddresses())
