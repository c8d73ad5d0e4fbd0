"""The webhook service: an ASGI application that answers 2xx for what is on the disk, and only then.

    POST /webhooks/<source>   200 stored, or stored before · 400 no JSON object · 401 not the vendor
                              408 too slow · 413 too large · 503 not stored, come again; or the
                              source has no secret configured
    GET  /health              200, or 503 while the disk takes nothing; counts, never content

Whoever answers here must be quick ("reply 200 as fast as possible",
https://develop.yotpo.com/reference/about-webhooks), so nothing is done with a delivery but to keep
it. What the content type says is not looked at. No answer, log or error repeats a body or a header.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_sources.inbox.senders import Sender
from dlt_sources.inbox.store import Counts, Inbox, InboxFullError, backlog

# A sender that takes longer for one body only keeps a connection busy.
BODY_SECONDS = 20.0
# Seconds after which a sender that was told 503 may come again.
_COME_AGAIN = {"Retry-After": "10"}
# Topics are the sender's text: only what looks like a documented one is counted by its name.
_TOPIC = re.compile(r"[a-z][a-z0-9_/]{0,63}")
_MOST_TOPICS = 60
# Smile's test of an endpoint when a webhook is created; `data` is {} (dev.smile.io, Webhooks).
_PING = "ping"
REPORT_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """One vendor's deliveries.

    Attributes:
        sender: tells whether a request is the vendor's; None = no secret is configured.
        inbox: where they are kept.
        pings: whether the vendor tests an endpoint with the topic `ping`.
    """

    sender: Sender | None
    inbox: Inbox
    pings: bool = False


class _RefusedError(Exception):
    """An answer that is no 2xx."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


def build_app(
    endpoints: Mapping[str, Endpoint],
    *,
    most_bytes: int,
    say: Callable[[str], None] = _log.info,
) -> Starlette:
    """The application.

    Args:
        endpoints: by source.
        most_bytes: of one body; no more of it is read.
        say: told once a minute how many deliveries came, by topic.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                for endpoint in endpoints.values():
                    await endpoint.inbox.open()
                    stack.push_async_callback(endpoint.inbox.close)
            except Exception as error:
                app.state.problem = error  # the server only says that it did not start
                raise
            reporter = asyncio.create_task(_report(endpoints, say))
            stack.callback(reporter.cancel)
            yield
        say(in_words(endpoints))

    async def webhook(request: Request) -> Response:
        endpoint = endpoints.get(request.path_params["source"])
        if endpoint is None:
            return _answer(404, "unknown")
        try:
            return await _receive(request, endpoint, most_bytes)
        except _RefusedError as refused:
            endpoint.inbox.counts.refused += refused.status in (401, 408, 413)
            # What is left of the body is not read: the connection ends with the answer.
            close = {} if refused.status in (400, 503) else {"Connection": "close"}
            return _answer(refused.status, str(refused), {**close, **(refused.headers or {})})
        except ClientDisconnect:
            return _answer(400, "the body ended early")

    async def health(_request: Request) -> Response:
        states = {name: await _state(endpoint) for name, endpoint in endpoints.items()}
        good = all(state["disk_writable"] for state in states.values())
        content = {"status": "ok" if good else "the disk takes nothing", "sources": states}
        return JSONResponse(content, 200 if good else 503)

    return Starlette(
        routes=[
            Route("/webhooks/{source}", webhook, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


async def _receive(request: Request, endpoint: Endpoint, most_bytes: int) -> Response:
    sender, inbox = endpoint.sender, endpoint.inbox
    if sender is None:
        raise _RefusedError(503, "not configured")
    headers, query = request.headers, request.query_params
    if not sender.needs_body and not sender.is_trusted(headers, query, b""):
        raise _RefusedError(401, "not authorised")
    body = await _body(request, most_bytes)
    if sender.needs_body and not sender.is_trusted(headers, query, body):
        raise _RefusedError(401, "not authorised")
    content = _parsed(body)
    if content is None:
        await inbox.keep_malformed(body)
        raise _RefusedError(400, "the body is no JSON object")
    topic = content.get("topic")
    topic = topic if isinstance(topic, str) else None
    if endpoint.pings and topic == _PING:
        return _answer(200, "pong")
    try:
        taken = await inbox.put(body, topic, headers.get("eventid"))
    except InboxFullError:
        raise _RefusedError(503, "not stored, come again", _COME_AGAIN) from None
    if taken == "stored":
        _count_topic(inbox.counts, topic)
    return _answer(200, taken)


async def _body(request: Request, most_bytes: int) -> bytes:
    """The body, read no further than `most_bytes`."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most_bytes:
        raise _RefusedError(413, "too large")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most_bytes:
                    raise _RefusedError(413, "too large")
                parts.append(part)
    except TimeoutError:
        raise _RefusedError(408, "too slow") from None
    return b"".join(parts)


def _parsed(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a body; None where it is none."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"result": text}, status, headers)


def _count_topic(counts: Counts, topic: str | None) -> None:
    name = topic if topic is not None and _TOPIC.fullmatch(topic) else "other"
    if name not in counts.topics and len(counts.topics) >= _MOST_TOPICS:
        name = "other"
    counts.topics[name] = counts.topics.get(name, 0) + 1


async def _state(endpoint: Endpoint) -> dict[str, Any]:
    inbox = endpoint.inbox
    waiting = await asyncio.to_thread(backlog, inbox.folder)
    age = None if waiting.oldest_ns is None else (time.time_ns() - waiting.oldest_ns) / 1e9
    return {
        "configured": endpoint.sender is not None,
        "disk_writable": await inbox.is_writable(),
        "oldest_unloaded_seconds": None if age is None else round(age, 1),
        "unloaded_segments": waiting.segments,
        "unloaded_bytes": waiting.size_bytes,
        "stored": inbox.counts.stored,
        "repeated": inbox.counts.repeated,
        "malformed": inbox.counts.malformed,
        "refused": inbox.counts.refused,
        "not_stored": inbox.counts.not_stored,
    }


async def _report(endpoints: Mapping[str, Endpoint], say: Callable[[str], None]) -> None:
    """Say once a minute what came, while something comes."""
    before = ""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        if (now := in_words(endpoints)) != before:
            say(now)
            before = now


def in_words(endpoints: Mapping[str, Endpoint]) -> str:
    """What came since the start; counts and topics only."""
    parts = []
    for name, endpoint in endpoints.items():
        counts = endpoint.inbox.counts
        text = (
            f"{name}: {counts.stored:,} stored, {counts.repeated:,} repeated, "
            f"{counts.malformed:,} malformed, {counts.refused:,} refused, "
            f"{counts.not_stored:,} not stored"
        )
        if counts.topics:
            text += f" ({', '.join(f'{n:,} {t}' for t, n in sorted(counts.topics.items()))})"
        parts.append(text)
    return "; ".join(parts)
