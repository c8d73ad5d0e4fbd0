"""One account at one vendor: every request charged, retried, and its failure explained.

Owns sockets, budgets, retries and the wording of errors. Must not know what a request means. Data
flow: `send` waits for the budget and for any pause a vendor asked for, sends, and then returns the
answer, retries it, or raises one of `vendor_http.errors`.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    wait_random_exponential,
)

from vendor_http.errors import ConfigurationError, RequestRefusedError, VendorUnavailableError
from vendor_http.limits import Budgets, RateLimit
from vendor_http.patience import PassingTroubleError, Patience, ThrottledError
from vendor_http.pauses import retry_after_seconds
from vendor_http.quiet_logs import keep_addresses_out_of_logs
from vendor_http.traffic import Traffic, TrafficMeter

# 423: Yotpo locks a busy record; 504 and 524 come from gateways in front of the vendors.
RETRY_STATUSES = frozenset({408, 423, 425, 429, 500, 502, 503, 504, 520, 522, 524})
# Six tries with random, doubling waits outlive a hiccup of some ten seconds.
MAX_ATTEMPTS = 6
_LONGEST_BACKOFF_SECONDS = 30.0
# Where nobody accepts them as an answer, these tell of another server than the vendor's.
_NOT_THIS_API = frozenset({404, 405, 410, 501})


class ApiClient:
    """Thread-safe client of one account.

    Args:
        vendor: the name people know, for messages ("Smile.io").
        base_url: no trailing slash needed.
        headers: sent with every request, credentials included; never shown.
        key_variables: settings to name when the vendor answers 401 or 403.
        limits: budgets by name; every request is charged to one of them.
        retry_statuses: answers that a later try may cure.
        max_attempts: failures per request until it is given up; a 429 is none.
        timeout_seconds: for connecting, and for each read and write.
        pause_seconds: what an answer says about staying silent; applies to all threads.
        longest_pause_seconds: a longer request for silence is an error at once.
        learn_limits: windows that an answer tells of, empty for none; they tighten the budget that
            the request was charged to, and never loosen what `limits` says.
        base_url_variable: the setting to name when nobody answers there.
        auth: signs requests where a fixed header cannot. What it sends on its own (a request once
            more with a fresh token) is charged to no budget here.
    """

    def __init__(
        self,
        *,
        vendor: str,
        base_url: str,
        headers: Mapping[str, str],
        key_variables: Sequence[str],
        limits: Mapping[str, RateLimit | Sequence[RateLimit]],
        retry_statuses: frozenset[int] = RETRY_STATUSES,
        max_attempts: int = MAX_ATTEMPTS,
        timeout_seconds: float = 60.0,
        pause_seconds: Callable[[httpx.Response], float | None] = retry_after_seconds,
        longest_pause_seconds: float = 120.0,
        learn_limits: Callable[[httpx.Response], Sequence[RateLimit]] | None = None,
        base_url_variable: str = "",
        auth: httpx.Auth | None = None,
    ) -> None:
        keep_addresses_out_of_logs()
        self.vendor = vendor
        self.counts: Counter[str] = Counter()
        self._key_variables = " and ".join(key_variables)
        self._base_url_variable = base_url_variable
        self._budgets = Budgets(limits)
        self._retry_statuses = retry_statuses
        self._max_attempts = max_attempts
        self._pause_seconds = pause_seconds
        self._longest_pause = longest_pause_seconds
        self._learn_limits = learn_limits
        self._silent_until = 0.0
        self._meter = TrafficMeter()
        self._lock = threading.Lock()
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers=dict(headers),
            auth=auth,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
        )

    def __repr__(self) -> str:
        return f"ApiClient({self.vendor})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the sockets."""
        self._http.close()

    @property
    def traffic(self) -> Mapping[str, Traffic]:
        """What went over the wire until now, per resource: the `name` of `send`, else its path."""
        return self._meter.by_resource()

    def total_traffic(self) -> Traffic:
        """What went over the wire until now, all resources together."""
        return self._meter.total()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        limit: str = "default",
        accept: Collection[int] = (),
        name: str | None = None,
        check: Callable[[httpx.Response], None] | None = None,
        max_attempts: int | None = None,
    ) -> httpx.Response:
        """Send one request until it is answered for good.

        Args:
            json: a body to serialise; `content` is one that is bytes already.
            limit: the budget to charge.
            accept: statuses besides 2xx that are an answer to the caller, not an error.
            name: what messages call this request; give one when the path holds an e-mail.
            check: raises ValueError when a 2xx body is unusable; tried again like a cut connection.
            max_attempts: tries of this request; 1 where repeating it would do something twice.

        Raises:
            ConfigurationError: 401 or 403.
            RequestRefusedError: another 4xx.
            VendorUnavailableError: passing trouble outlived the tries.
        """
        body = orjson.dumps(json) if json is not None else content
        sent_headers = {"content-type": "application/json"} if json is not None else {}
        request = self._http.build_request(
            method, path, params=params, content=body, headers={**sent_headers, **(headers or {})}
        )
        resource = name or f"{method} {path}"
        what = f"{self.vendor}: {resource}"
        patience = Patience(max_attempts or self._max_attempts)
        tries = Retrying(
            retry=retry_if_exception_type(PassingTroubleError),
            stop=patience,
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_BACKOFF_SECONDS),
            before_sleep=partial(self._count_retry, resource),
            reraise=True,
        )
        try:
            response = tries(self._try, request, resource, limit, check)
        except PassingTroubleError as trouble:
            raise VendorUnavailableError(
                f"{what} failed {patience.tries} times, last with {trouble}. "
                f"Nothing that was already done is lost; run again later{self._address_hint()}"
            ) from None
        return self._judge(response, accept, what)

    def get_json(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        limit: str = "default",
        accept: Collection[int] = (),
        name: str | None = None,
    ) -> Any:
        """GET and parse; None for an accepted status other than 2xx. A broken body is retried."""
        response = self.send(
            "GET", path, params=params, limit=limit, accept=accept, name=name, check=_parses
        )
        return orjson.loads(response.content) if response.is_success else None

    def _try(
        self,
        request: httpx.Request,
        resource: str,
        limit: str,
        check: Callable[[httpx.Response], None] | None,
    ) -> httpx.Response:
        waited = self._wait_for_turn(limit)
        self._meter.add(resource, Traffic(requests=1, waited_seconds=waited))
        with self._lock:
            self.counts[request.method] += 1
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise PassingTroubleError(type(error).__name__) from None
        throttled = int(response.status_code == 429)
        size = response.num_bytes_downloaded
        self._meter.add(resource, Traffic(throttled=throttled, bytes_received=size))
        if self._learn_limits is not None:
            self._budgets.learn(limit, self._learn_limits(response))
        self._note_pause(response)
        if throttled and 429 in self._retry_statuses:
            raise ThrottledError("status 429")
        if response.status_code in self._retry_statuses:
            raise PassingTroubleError(f"status {response.status_code}")
        if check is not None and response.is_success:
            try:
                check(response)
            except ValueError:
                raise PassingTroubleError("an answer that cannot be read") from None
        return response

    def _judge(
        self, response: httpx.Response, accept: Collection[int], what: str
    ) -> httpx.Response:
        status = response.status_code
        if response.is_success or status in accept:
            return response
        if status in (401, 403):
            reason = "the key is wrong or was deleted" if status == 401 else "a scope is missing"
            raise ConfigurationError(
                f"{what} was refused with {status}: {reason}. Check {self._key_variables}"
            )
        if response.is_redirect:
            raise ConfigurationError(
                f"{what} was sent elsewhere ({status}), and a key follows nobody to another "
                f"address. Put the final one into {self._base_url_variable or 'the base URL'}"
            )
        hint = ""
        if status in _NOT_THIS_API and self._base_url_variable:
            hint = f": there is no such page. Check {self._base_url_variable}"
        raise RequestRefusedError(
            f"{what} was refused with {status}{hint}", status=status, body=response.content
        )

    def _note_pause(self, response: httpx.Response) -> None:
        seconds = self._pause_seconds(response)
        if not seconds:
            return
        if seconds > self._longest_pause:
            raise VendorUnavailableError(
                f"{self.vendor} asks for {seconds:.0f} s of silence, more than the "
                f"{self._longest_pause:.0f} s this run waits. Run again after that"
            )
        with self._lock:
            self._silent_until = max(self._silent_until, time.monotonic() + seconds)

    def _wait_for_turn(self, limit: str) -> float:
        """Wait for silence and budget; seconds waited.

        Silence that falls while a thread waits for its budget costs it another charge, because
        threads that were charged before would leave as one burst when it ends.
        """
        began = time.monotonic()
        is_my_turn = False
        while not is_my_turn:
            while (wait := self._silent_until - time.monotonic()) > 0:
                time.sleep(wait)
            self._budgets.charge(limit)
            is_my_turn = self._silent_until <= time.monotonic()
        return time.monotonic() - began

    def _count_retry(self, resource: str, _state: RetryCallState) -> None:
        self._meter.add(resource, Traffic(retries=1))
        with self._lock:
            self.counts["retries"] += 1

    def _address_hint(self) -> str:
        if not self._base_url_variable:
            return ""
        return f", or check {self._base_url_variable} if nobody answers there"


def _parses(response: httpx.Response) -> None:
    orjson.loads(response.content)  # orjson.JSONDecodeError is a ValueError
