"""Posts Yotpo's webhooks to a receiver, for tests: to this machine only."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx
import orjson

from sandbox.core.errors import SandboxError
from sandbox.yotpo.rows import Row
from sandbox.yotpo.webhook_parts import Occasion
from sandbox.yotpo.webhooks import TOPICS, payloads

POST_SECONDS = 20.0


def post(
    url: str, header: str, secret: str, topics: Sequence[str], occasion: Occasion
) -> list[Row]:
    """Post the topics to a receiver on this machine; topic, addressee and status of each.

    Args:
        header: carries the secret; Yotpo does not document which one it is (yotpo.md §4.1).

    Raises:
        SandboxError: the address is not of this machine, nobody answers, or a topic is unknown.
    """
    if not _is_here(url):
        raise SandboxError("Webhooks are posted to this machine only.")
    unknown = sorted(set(topics) - set(TOPICS))
    if unknown:
        raise SandboxError(f"No topics {', '.join(unknown)}. There are: {', '.join(TOPICS)}.")
    sent = []
    headers = {header: secret, "Content-Type": "application/json"}
    with httpx.Client(timeout=POST_SECONDS, trust_env=False) as http:
        for topic in topics:
            for body in payloads(topic, occasion):
                try:
                    answer = http.post(url, content=orjson.dumps(body), headers=headers)
                except httpx.HTTPError as error:
                    raise SandboxError(f"Nobody answers at {url}.", 502) from error
                status = answer.status_code
                sent.append({"topic": topic, "email": body.get("email"), "status": status})
    return sent


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
