"""The sandbox over real HTTP: how it starts and stops, and how its faults look to a client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from sandbox.config import SandboxConfig
from sandbox.core.errors import SandboxError
from sandbox.server import RunningSandbox, running

ROOT = Path(__file__).parents[3]
SMALL = SandboxConfig(customers=60, limits_scale=1e6)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SMALL) as started:
        yield started


@pytest.fixture
def smile(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """A client of the Smile API; faults and counts begin empty."""
    sandbox.control.faults("smile")
    sandbox.control.reset_requests()
    headers = {"Authorization": f"Bearer {sandbox.environment['SMILE_API_KEY']}"}
    base_url = sandbox.environment["SMILE_BASE_URL"]
    with httpx.Client(base_url=base_url, headers=headers, timeout=5) as client:
        yield client
    sandbox.control.faults("smile")


def test_all_four_vendors_and_the_control_api_are_there(sandbox: RunningSandbox) -> None:
    described = sandbox.control.describe()
    assert set(described["vendors"]) == {"smile", "yotpo", "klaviyo", "rule"}
    assert described["customers"] == 60
    assert httpx.get(f"{sandbox.base_url}/nowhere").status_code == 404
    for name, url in sandbox.environment.items():
        if name.endswith("_BASE_URL"):
            assert httpx.get(f"{url}/nowhere").status_code in (401, 404)


def test_every_request_is_counted_reads_and_writes_apart(
    sandbox: RunningSandbox, smile: httpx.Client
) -> None:
    smile.get("/customers")
    smile.get("/customers/1")
    smile.get("/customers", headers={"Authorization": "Bearer wrong"})
    smile.post("/activities", json={})
    smile.get("/nowhere")
    counted = sandbox.control.requests("smile")
    assert (counted["reads"], counted["writes"]) == (4, 1)
    assert counted["operations"] == {
        "GET /customers": 2,
        "GET /customers/{id}": 1,
        "POST /activities": 1,
        "unknown operation": 1,
    }
    assert counted["statuses"] == {"200": 1, "401": 1, "403": 1, "404": 2}
    sandbox.control.reset_requests()
    assert sandbox.control.requests("smile")["reads"] == 0


def test_an_error_fault_answers_in_the_vendors_style(
    sandbox: RunningSandbox, smile: httpx.Client
) -> None:
    sandbox.control.faults("smile", error={"status": 503, "next": 2, "retry_after": 3})
    replies = [smile.get("/customers") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    assert replies[0].headers["retry-after"] == "3"
    assert "request_id" in replies[0].json()["error"]


def test_a_cut_connection_has_no_answer(sandbox: RunningSandbox, smile: httpx.Client) -> None:
    sandbox.control.faults("smile", cut_connection={"next": 1})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        smile.get("/customers")
    assert smile.get("/customers").status_code == 200
    assert sandbox.control.requests("smile")["statuses"] == {"0": 1, "200": 1}


def test_a_connection_may_be_cut_after_the_work_was_done(
    sandbox: RunningSandbox, smile: httpx.Client
) -> None:
    sandbox.control.faults("smile", cut_after={"next": 1})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        smile.get("/customers")
    assert sandbox.control.requests("smile")["statuses"] == {"200": 1}


def test_a_body_may_be_cut_in_the_middle(sandbox: RunningSandbox, smile: httpx.Client) -> None:
    sandbox.control.faults("smile", cut_body={"next": 1})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        smile.get("/customers")


def test_a_truncated_body_arrives_whole_but_is_no_json(
    sandbox: RunningSandbox, smile: httpx.Client
) -> None:
    sandbox.control.faults("smile", truncated_body={"next": 1})
    reply = smile.get("/customers")
    assert reply.status_code == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(reply.content)


def test_a_proxys_page_may_stand_in_for_the_data(
    sandbox: RunningSandbox, smile: httpx.Client
) -> None:
    sandbox.control.faults("smile", not_json={"next": 1})
    assert smile.get("/customers").headers["content-type"] == "text/html"


@pytest.mark.parametrize("fault", ["latency", "slow_body"])
def test_an_answer_may_come_late(sandbox: RunningSandbox, smile: httpx.Client, fault: str) -> None:
    sandbox.control.faults("smile", **{fault: {"seconds": 0.3, "next": 1}})
    started = time.monotonic()
    assert smile.get("/customers").json()["customers"]
    assert time.monotonic() - started >= 0.3


def test_the_control_client_moves_clock_and_switches(sandbox: RunningSandbox) -> None:
    before = sandbox.control.now()
    happened = sandbox.control.advance(1)["happened"]
    assert "purchases" in happened
    assert (sandbox.control.now() - before).days == 1
    assert sandbox.control.switch("smile", end_cursor="empty")["end_cursor"] == "empty"
    sandbox.control.reset_switches("smile")
    with pytest.raises(SandboxError, match="no switch 'colour'"):
        sandbox.control.switch("smile", colour="red")
    reply = httpx.post(f"{sandbox.base_url}/_sandbox/clock", content=b"{")
    assert (reply.status_code, reply.json()["error"]) == (400, "The body is not valid JSON.")


def test_limits_over_http_are_those_of_the_vendor() -> None:
    with running(SandboxConfig(customers=5)) as started:
        headers = {"Authorization": f"Bearer {started.environment['SMILE_API_KEY']}"}
        with httpx.Client(
            base_url=started.environment["SMILE_BASE_URL"], headers=headers
        ) as client:
            statuses = [client.get("/points_settings").status_code for _ in range(12)]
            assert 429 in statuses
            assert statuses[:10] == [200] * 10
            started.control.reset_limits()
            assert client.get("/points_settings").status_code == 200


def test_a_taken_port_is_said_so(sandbox: RunningSandbox) -> None:
    port = int(sandbox.base_url.rsplit(":", 1)[1])
    with (
        pytest.raises(SandboxError, match=f"Port {port}"),
        running(SandboxConfig(customers=5, port=port)),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_in_order_and_keeps_its_state(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--customers", "5"]
    process = subprocess.Popen(
        [*command, "--state", str(tmp_path), "--today", "2026-11-21"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "sandbox at http://" in line:
            base_url = line.split(" at ", 1)[1].strip()
            break
    else:
        pytest.fail("the sandbox said no address")
    reply = None
    deadline = time.monotonic() + 20
    while reply is None and time.monotonic() < deadline:
        try:
            reply = httpx.post(f"{base_url}/_sandbox/clock", json={"days": 3})
        except httpx.ConnectError:
            time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    kept = orjson.loads((tmp_path / "clock.json").read_bytes())
    assert kept == {"start": "2026-11-21", "today": "2026-11-24"}


def test_a_get_may_carry_its_parameter_in_a_body(sandbox: RunningSandbox) -> None:
    keys = sandbox.environment
    headers = {"x-guid": keys["YOTPO_GUID"], "x-api-key": keys["YOTPO_API_KEY"]}
    with httpx.Client(base_url=keys["YOTPO_BASE_URL"], headers=headers, timeout=5) as yotpo:
        rows = yotpo.get("/customers/recent", params={"per_page": 250}).json()["customers"]
        statuses = {
            yotpo.request(
                "GET", "/customer_anniversary", json={"customer_email": row["email"]}
            ).status_code
            for row in rows
        }
    assert statuses == {200, 404}
