"""Asking ahead: the next answers are fetched while those before are worked on."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

_PAGES_AHEAD = 2
# How often `idle` is called while an answer is waited for.
_IDLE_SECONDS = 5.0

T = TypeVar("T")


def _nothing() -> None:
    pass


def read_ahead(walk: Iterator[T], idle: Callable[[], None] = _nothing) -> Iterator[T]:
    """The items of `walk`, fetched by a thread while the caller works on those before.

    Args:
        idle: called now and then while the next item takes long.
    """
    with ThreadPoolExecutor(1) as pool:
        ahead: deque[Future[T | None]] = deque(
            pool.submit(next, walk, None) for _ in range(_PAGES_AHEAD)
        )
        try:
            while (item := _patiently(ahead.popleft(), idle)) is not None:
                ahead.append(pool.submit(next, walk, None))
                yield item
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def in_order(
    pool: ThreadPoolExecutor,
    ask: Callable[[T], Any],
    items: Iterable[T],
    ahead: int,
    idle: Callable[[], None] = _nothing,
) -> Iterator[tuple[T, Any]]:
    """Each item with its answer, in order, with `ahead` of them asked for at any time."""
    waiting: deque[tuple[T, Future[Any]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(ask, item)))
            if len(waiting) >= ahead:
                first, answer = waiting.popleft()
                yield first, _patiently(answer, idle)
        while waiting:
            first, answer = waiting.popleft()
            yield first, _patiently(answer, idle)
    finally:
        for _, answer in waiting:
            answer.cancel()


def _patiently(future: Future[T], idle: Callable[[], None]) -> T:
    while not wait([future], timeout=_IDLE_SECONDS).done:
        idle()
    return future.result()
