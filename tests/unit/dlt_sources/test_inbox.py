"""The receiver and its files: what is answered is on the disk, and only what is the vendor's."""

import asyncio
import base64
import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from webhook_receivers import receiving

from dlt_sources.erased import Erased
from dlt_sources.inbox import segments, store
from dlt_sources.inbox.draining import delete_old, drain, erase, file_away
from dlt_sources.inbox.receiver import Endpoint, build_app
from dlt_sources.inbox.segments import Delivery, SegmentLog, deliveries, seal_open
from dlt_sources.inbox.senders import SharedSecret, SignedBody
from dlt_sources.inbox.store import Inbox, InboxFullError, InboxTakenError, segment_files
from dlt_sources.inbox.tables import row
from dlt_sources.spool import Facts

SECRET, SMILE_SECRET, OLD_SECRET = "yotpo-secret", "smile-secret", "smile-before"
AUTHORISED = {"Authorization": SECRET}
MOST_BYTES = 4096
FACTS = Facts("yotpo", 1, "2026-11-22T00:00:00+00:00", "2026-11-22T00:00:00+00:00", "quick")
EARNED = {
    "topic": "swell/points/earned",
    "name": "Swell Points Earned",
    "email": " Ava@Mail.dev",
    "customer": {"email": "ava@mail.dev", "points_balance": 200},
    "perk": {
        "id": 1,
        "completed_at": "2016-10-15T15:29:27.911Z",
        "created_at": "2016-10-15T15:29:27.828Z",
    },
}


def body(number: int, **more: Any) -> bytes:
    content = {**EARNED, "perk": {**EARNED["perk"], "id": number}, **more}  # type: ignore[dict-item]
    return orjson.dumps(content)


def delivery(number: int, received_ns: int | None = None) -> Delivery:
    content = body(number)
    when = received_ns or 1_790_000_000_000_000_000 + number
    return Delivery(f"id-{number}", f"{number:032x}", when, "topic", None, content.decode())


def stored(folder: Path) -> list[Delivery]:
    found = [each for path in segment_files(folder) for each in deliveries(path)]
    assert None not in found, "a damaged line"
    return [each for each in found if each is not None]


def app_of(folder: Path, **options: Any) -> AbstractContextManager[httpx.Client]:
    yotpo = SharedSecret(options.pop("place", "Authorization"), SECRET)
    smile = SignedBody("X-Signature", (SMILE_SECRET, OLD_SECRET))
    endpoints = {
        "yotpo": Endpoint(yotpo, Inbox(folder / "yotpo", remember_hours=24)),
        "smile": Endpoint(smile, Inbox(folder / "smile", remember_hours=24), pings=True),
        "nobody": Endpoint(None, Inbox(folder / "nobody", remember_hours=24)),
    }
    said = options.pop("say", lambda _text: None)
    return receiving(build_app(endpoints, most_bytes=MOST_BYTES, say=said))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with app_of(tmp_path) as client:
        yield client


def with_inbox(
    folder: Path, act: Callable[[Inbox], Any], *, remember_hours: float = 24, **options: Any
) -> Any:
    async def run() -> Any:
        inbox = Inbox(folder, remember_hours=remember_hours, **options)
        await inbox.open()
        try:
            return await act(inbox)
        finally:
            await inbox.close()

    return asyncio.run(run())


def test_a_delivery_is_on_the_disk_when_it_is_answered(
    client: httpx.Client, tmp_path: Path
) -> None:
    answer = client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED)
    assert (answer.status_code, answer.json()) == (200, {"result": "stored"})
    (kept,) = stored(tmp_path / "yotpo")
    assert kept.body.encode() == body(1)
    assert kept.topic == "swell/points/earned"


@pytest.mark.parametrize("given", [SECRET, f"Bearer {SECRET}", f"bearer  {SECRET} "])
def test_the_secret_may_stand_behind_bearer(client: httpx.Client, given: str) -> None:
    answer = client.post(
        "/webhooks/yotpo", content=body(1), headers={"Authorization": given.strip()}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("secret", ["Bearer of news", "påskägg", "a b"])
def test_a_secret_is_compared_as_it_was_sent(secret: str) -> None:
    sender = SharedSecret("x-secret", secret)
    sent = secret.encode().decode("latin-1")  # as a server hands a header's bytes on
    assert sender.is_trusted({"x-secret": sent}, {}, b"")
    assert sender.is_trusted({"x-secret": f"Bearer {sent}"}, {}, b"")
    assert not sender.is_trusted({"x-secret": f"{sent}."}, {}, b"")
    assert SharedSecret("?s", secret).is_trusted({}, {"s": secret}, b"")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "yotpo-secreT"}, {"X-Other": SECRET}],
    ids=["none", "empty", "wrong", "elsewhere"],
)
def test_without_the_secret_nothing_is_taken(
    client: httpx.Client, tmp_path: Path, headers: dict[str, str]
) -> None:
    answer = client.post("/webhooks/yotpo", content=body(1), headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"result": "not authorised"})
    assert stored(tmp_path / "yotpo") == []


@pytest.mark.parametrize(
    ("place", "url", "headers"),
    [
        ("X-Yotpo-Auth", "/webhooks/yotpo", {"x-yotpo-auth": SECRET}),
        ("?token", f"/webhooks/yotpo?token={SECRET}", {}),
    ],
)
def test_where_the_secret_stands_is_a_setting(
    tmp_path: Path, place: str, url: str, headers: dict[str, str]
) -> None:
    with app_of(tmp_path, place=place) as client:
        assert client.post(url, content=body(1), headers=headers).status_code == 200
        assert client.post("/webhooks/yotpo", content=body(2), headers=AUTHORISED).status_code == (
            401
        )


def test_a_source_without_a_secret_takes_nothing_from_anybody(
    client: httpx.Client, tmp_path: Path
) -> None:
    answer = client.post("/webhooks/nobody", content=body(1), headers=AUTHORISED)
    assert (answer.status_code, answer.json()) == (503, {"result": "not configured"})
    assert client.post("/webhooks/else", content=body(1)).status_code == 404
    assert stored(tmp_path / "nobody") == []


def signed(content: bytes, secret: str, *, as_base64: bool = False) -> dict[str, str]:
    signature = hmac.digest(secret.encode(), content, hashlib.sha256)
    text = base64.b64encode(signature).decode() if as_base64 else signature.hex()
    return {"X-Signature": text}


@pytest.mark.parametrize("secret", [SMILE_SECRET, OLD_SECRET])
@pytest.mark.parametrize("as_base64", [False, True])
def test_smile_signs_with_either_secret_in_either_writing(
    client: httpx.Client, tmp_path: Path, secret: str, as_base64: bool
) -> None:
    content = orjson.dumps(
        {"account_id": 1, "topic": "customer/updated", "data": {"customer": {"id": 7}}}
    )
    headers = signed(content, secret, as_base64=as_base64)
    assert client.post("/webhooks/smile", content=content, headers=headers).status_code == 200
    forged = content.replace(b"7", b"8")
    assert client.post("/webhooks/smile", content=forged, headers=headers).status_code == 401
    assert client.post("/webhooks/smile", content=content).status_code == 401
    assert len(stored(tmp_path / "smile")) == 1


def test_smiles_ping_is_answered_and_not_stored(client: httpx.Client, tmp_path: Path) -> None:
    ping = b'{"account_id":0,"data":{},"topic":"ping"}'
    answer = client.post("/webhooks/smile", content=ping, headers=signed(ping, SMILE_SECRET))
    assert answer.status_code == 200
    assert stored(tmp_path / "smile") == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{{}", b"[1]", b'"text"', b'{"topic": NaN}', b'{"a": "\xff"}', b'{"a": "\\ud800"}'],
)
def test_what_is_no_json_object_is_refused_and_kept_aside(
    client: httpx.Client, tmp_path: Path, content: bytes
) -> None:
    answer = client.post("/webhooks/yotpo", content=content, headers=AUTHORISED)
    assert (answer.status_code, answer.json()) == (400, {"result": "the body is no JSON object"})
    (aside,) = (tmp_path / "yotpo" / store.MALFORMED).iterdir()
    assert aside.read_bytes() == content
    assert stored(tmp_path / "yotpo") == []


def test_malformed_bodies_cannot_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MALFORMED_FILES", 3)
    monkeypatch.setattr(store, "MALFORMED_BYTES", 1000)
    with app_of(tmp_path) as client:
        for number in range(5):
            client.post("/webhooks/yotpo", content=b"no json %d" % number, headers=AUTHORISED)
        folder = tmp_path / "yotpo" / store.MALFORMED
        assert sorted(file.read_bytes()[-1:] for file in folder.iterdir()) == [b"2", b"3", b"4"]
        client.post("/webhooks/yotpo", content=b"x" * 990, headers=AUTHORISED)
        assert len(list(folder.iterdir())) == 2


def test_a_body_that_is_too_large_is_not_read_to_its_end(client: httpx.Client) -> None:
    large = orjson.dumps({"topic": "x" * MOST_BYTES})
    assert client.post("/webhooks/yotpo", content=large, headers=AUTHORISED).status_code == 413
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b"x" * 1024

    answer = client.post("/webhooks/yotpo", content=endless(), headers=AUTHORISED)
    assert answer.status_code == 413
    exact = orjson.dumps({"topic": ""})
    fitting = orjson.dumps({"topic": "x" * (MOST_BYTES - len(exact))})
    assert len(fitting) == MOST_BYTES
    assert client.post("/webhooks/yotpo", content=fitting, headers=AUTHORISED).status_code == 200


def test_only_posts_are_deliveries(client: httpx.Client) -> None:
    assert client.get("/webhooks/yotpo", headers=AUTHORISED).status_code == 405
    assert client.put("/webhooks/yotpo", content=body(1), headers=AUTHORISED).status_code == 405


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_is_not_looked_at(client: httpx.Client, content_type: str) -> None:
    headers = {**AUTHORISED, "Content-Type": content_type}
    answer = client.post("/webhooks/yotpo", content=body(1), headers=headers)
    assert answer.status_code == 200


def test_a_repetition_is_answered_and_stored_once_also_after_a_restart(tmp_path: Path) -> None:
    for said in ("stored", "repeated"):
        with app_of(tmp_path) as client:
            for expected in (said, "repeated"):
                answer = client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED)
                assert (answer.status_code, answer.json()) == (200, {"result": expected})
    assert len(stored(tmp_path / "yotpo")) == 1


def test_an_event_header_alone_tells_repetitions(client: httpx.Client, tmp_path: Path) -> None:
    def post(number: int, event: str) -> str:
        headers = {**AUTHORISED, "eventid": event}
        answer = client.post("/webhooks/yotpo", content=body(number), headers=headers)
        return str(answer.json()["result"])

    assert post(1, "event-a") == "stored"
    assert post(2, "event-a") == "repeated"
    assert post(1, "event-b") == "stored", "the same body, another event"
    assert [each.delivery_id for each in stored(tmp_path / "yotpo")] == ["event-a", "event-b"]
    assert post(3, "x" * (store.LONGEST_EVENT_HEADER + 1)) == "stored"
    assert stored(tmp_path / "yotpo")[-1].event_header is None


def test_the_same_body_is_another_event_when_time_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_790_000_000_000_000_000
    monkeypatch.setattr(store.time, "time_ns", lambda: now)

    async def twice(inbox: Inbox) -> list[str]:
        nonlocal now
        first = await inbox.put(body(1), None, None)
        now += 3600 * 10**9 - 1
        second = await inbox.put(body(1), None, None)
        now += 2
        return [first, second, await inbox.put(body(1), None, None)]

    assert with_inbox(tmp_path, twice, remember_hours=1) == ["stored", "repeated", "stored"]
    first, second = stored(tmp_path)
    assert first.delivery_id != second.delivery_id


def test_a_repetition_waits_for_the_first_one_to_be_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = threading.Event()
    append = SegmentLog.append

    def waiting(self: SegmentLog, lines: bytes, first_ns: int) -> None:
        slow.wait(10)
        append(self, lines, first_ns)

    monkeypatch.setattr(SegmentLog, "append", waiting)

    async def both(inbox: Inbox) -> list[str]:
        tasks = [asyncio.create_task(inbox.put(body(1), None, None)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks)
        slow.set()
        return list(await asyncio.gather(*tasks))

    assert with_inbox(tmp_path, both) == ["stored", "repeated"]


def test_a_full_disk_is_told_and_nothing_of_the_batch_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full = True
    write = os.write

    def limited(descriptor: int, content: Any) -> int:
        if is_full and len(content) > 10:
            if len(content) < 400:
                raise OSError(28, "No space left on device")
            return write(descriptor, content[: len(content) - 300])  # some of it still fits
        return write(descriptor, content)

    monkeypatch.setattr(segments.os, "write", limited)

    async def fill(inbox: Inbox) -> list[str]:
        nonlocal is_full
        told = []
        for number in (1, 2):
            try:
                await inbox.put(body(number), None, None)
            except InboxFullError as error:
                told.append(str(error))
            is_full = number == 2
        assert inbox.counts.not_stored == 1
        is_full = False
        told.append(await inbox.put(body(1), None, None))
        return told

    assert with_inbox(tmp_path, fill) == ["No space left on device", "stored"]
    assert [each.body.encode() for each in stored(tmp_path)] == [body(2), body(1)]


def test_the_receiver_says_503_while_the_disk_takes_nothing(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(segments.os, "fsync", refuse)
        answer = client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert client.get("/health").status_code == 503
    assert client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED).json() == {
        "result": "stored"
    }
    assert client.get("/health").status_code == 200


def test_health_tells_how_old_the_oldest_unloaded_delivery_is(client: httpx.Client) -> None:
    assert client.get("/health").json()["sources"]["yotpo"]["oldest_unloaded_seconds"] is None
    client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED)
    client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED)
    client.post("/webhooks/yotpo", content=b"{", headers=AUTHORISED)
    client.post("/webhooks/yotpo", content=body(1))
    state = client.get("/health").json()["sources"]["yotpo"]
    assert 0 <= state.pop("oldest_unloaded_seconds") < 60
    assert state.pop("unloaded_bytes") > len(body(1))
    assert state == {
        "configured": True,
        "disk_writable": True,
        "unloaded_segments": 1,
        "stored": 1,
        "repeated": 1,
        "malformed": 1,
        "refused": 1,
        "not_stored": 0,
    }


def test_what_is_said_are_counts_and_topics_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    with app_of(tmp_path, say=said.append) as client:
        answers = [
            client.post("/webhooks/yotpo", content=body(1), headers=AUTHORISED),
            client.post(
                "/webhooks/yotpo", content=body(2, topic="ava@mail.dev"), headers=AUTHORISED
            ),
            client.post("/webhooks/yotpo", content=body(3)[:-1], headers=AUTHORISED),
            client.post("/webhooks/yotpo", content=body(4), headers={"Authorization": "nope"}),
        ]
    assert said == [
        "yotpo: 2 stored, 0 repeated, 1 malformed, 1 refused, 0 not stored "
        "(1 other, 1 swell/points/earned); smile: 0 stored, 0 repeated, 0 malformed, 0 refused, "
        "0 not stored; nobody: 0 stored, 0 repeated, 0 malformed, 0 refused, 0 not stored"
    ]
    for text in [*said, *(answer.text for answer in answers), caplog.text]:
        assert "ava@mail.dev" not in text.lower()
        assert "nope" not in text
    secrets = [SharedSecret("Authorization", SECRET), SignedBody("X", (SMILE_SECRET,))]
    assert not any(each in repr(secrets) for each in (SECRET, SMILE_SECRET))
    assert "ava" not in repr(delivery(1))


def test_one_receiver_at_a_time(tmp_path: Path) -> None:
    async def second(_first: Inbox) -> None:
        with pytest.raises(InboxTakenError, match="Another receiver"):
            await Inbox(tmp_path, remember_hours=24).open()

    with_inbox(tmp_path, second)
    with_inbox(tmp_path, lambda inbox: inbox.put(body(1), None, None))


@pytest.mark.parametrize("lost", [1, 5, 200])
def test_a_torn_end_is_cut_off_and_what_follows_is_whole(tmp_path: Path, lost: int) -> None:
    path = tmp_path / segments.OPEN
    whole = delivery(1).line() + delivery(2).line()
    path.write_bytes(whole + delivery(3).line()[:-lost])
    assert with_inbox(tmp_path, lambda inbox: inbox.put(body(4), None, None)) == "stored"
    assert [each.body.encode() for each in stored(tmp_path)] == [body(1), body(2), body(4)]


def test_pages_that_never_reached_the_disk_are_cut_off_as_well(tmp_path: Path) -> None:
    path = tmp_path / segments.OPEN
    path.write_bytes(delivery(1).line() + b"\0" * 300 + b"\n" + b"\0" * 50)
    assert segments.cut_torn_end(path) == 351
    assert len(stored(tmp_path)) == 1


def test_a_loader_seals_while_the_receiver_goes_on(tmp_path: Path) -> None:
    async def interrupted(inbox: Inbox) -> Path | None:
        await inbox.put(body(1), None, None)
        sealed = seal_open(tmp_path)
        await inbox.put(body(2), None, None)
        return sealed

    sealed = with_inbox(tmp_path, interrupted)
    assert [each.body.encode() for each in deliveries(sealed) if each] == [body(1)]
    assert [each.body.encode() for each in stored(tmp_path)] == [body(1), body(2)]


def test_a_segment_is_sealed_when_it_is_large_or_old(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, seal_bytes=2 * len(delivery(1).line()), seal_seconds=60)
    start = delivery(0).received_ns
    for number in range(5):
        log.append(delivery(number).line(), start + number)
    log.append(delivery(9, start + 61 * 10**9).line(), start + 61 * 10**9)
    log.append(delivery(10).line(), start + 122 * 10**9)
    log.close()
    sizes = [len(list(deliveries(path))) for path in segment_files(tmp_path)]
    assert sizes == [2, 2, 1, 1, 1]


def read(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_what_was_drained_is_filed_away_only_then_and_deleted_when_old(tmp_path: Path) -> None:
    inbox, spool_folder = tmp_path / "inbox", tmp_path / "spool"
    with_inbox(inbox, lambda each: each.put(orjson.dumps(EARNED), "swell/points/earned", None))
    for _ in range(2):  # as after a kill: the same segments are read again
        drained, spool = drain("yotpo", inbox, spool_folder, FACTS, None)
        assert spool is not None
        (file,) = spool.files()
        (event,) = read(file.path)
        assert drained.rows == 1
    assert event["occurred_at"] == datetime(2016, 10, 15, 15, 29, 27, 911000, UTC)
    assert (event["email"], event["customer_email"]) == ("ava@mail.dev", "ava@mail.dev")
    assert orjson.loads(event["payload"]) == EARNED
    file_away("yotpo", drained, None)
    again, spool = drain("yotpo", inbox, spool_folder, FACTS, None)
    assert (again.rows, spool) == (0, None)
    assert len(stored(inbox)) == 1, "kept"
    assert delete_old(inbox, 1) == 0
    (kept,) = inbox.glob("loaded/*.jsonl")
    kept.rename(kept.with_name(f"{delivery(1).received_ns - 10**17:020d}.jsonl"))
    assert delete_old(inbox, 1) == 1


def test_a_value_that_does_not_fit_is_quarantined_and_the_event_stays(tmp_path: Path) -> None:
    wrong = {**EARNED, "name": ["list"], "perk": {"created_at": "soon"}}
    with_inbox(tmp_path, lambda inbox: inbox.put(orjson.dumps(wrong), None, None))
    _, spool = drain("yotpo", tmp_path, tmp_path / "spool", FACTS, None)
    assert spool is not None
    tables = {file.table: read(file.path) for file in spool.files()}
    (event,) = tables["webhook_events"]
    assert (event["name"], event["occurred_at"]) == (None, None)
    assert {each["column_name"] for each in tables["quarantine"]} == {"name", "occurred_at"}


@pytest.mark.parametrize(
    "body_of_friend",
    [
        {"topic": "x", "email": "Bo@mail.dev"},
        {"topic": "x", "email": "ava@mail.dev", "customer": {"email": "bo@mail.dev"}},
        {"topic": "x", "email": "ava@mail.dev", "referrer": {"email": "bo@mail.dev"}},
        {"topic": "x", "email": "ava@mail.dev", "referred_customer": {"email": "bo@mail.dev"}},
    ],
    ids=["addressee", "customer", "referrer", "friend"],
)
def test_the_erased_are_neither_loaded_nor_kept(
    tmp_path: Path, body_of_friend: dict[str, Any]
) -> None:
    erased = Erased(lambda email: 0 if email == "bo@mail.dev" else None, lambda _key: None)
    mentioned = {**EARNED, "customer": {"email": "ava@mail.dev", "referred_by": "bo\u0040mail.dev"}}

    async def come(inbox: Inbox) -> None:
        await inbox.put(orjson.dumps(body_of_friend), "x", None)
        await inbox.put(orjson.dumps(mentioned).replace(b"bo@", b"bo\\u0040"), "x", None)

    inbox = tmp_path / "inbox"
    with_inbox(inbox, come)
    drained, spool = drain("yotpo", inbox, tmp_path / "spool", FACTS, erased)
    assert (drained.rows, drained.left_out) == (1, 1)
    assert spool is not None
    assert b"bo@mail.dev" not in b"".join(
        orjson.dumps(each["payload"]) for file in spool.files() for each in read(file.path)
    )
    file_away("yotpo", drained, erased)
    (kept,) = stored(inbox)
    assert orjson.loads(kept.body)["customer"]["referred_by"] == "(erased)"


def test_erasing_reaches_what_waits_what_is_kept_and_what_is_malformed(tmp_path: Path) -> None:
    erased = Erased(lambda email: 0 if email == "bo@mail.dev" else None, lambda _key: None)

    async def come(inbox: Inbox) -> None:
        await inbox.put(orjson.dumps({"email": "bo@mail.dev", "n": 1}), None, None)
        drained, _ = drain("yotpo", tmp_path, tmp_path / "spool", FACTS, None)
        file_away("yotpo", drained, None)
        await inbox.put(orjson.dumps({"email": "bo@mail.dev", "n": 2}), None, None)
        await inbox.put(orjson.dumps({"email": "ava@mail.dev", "n": 3}), None, None)
        await inbox.keep_malformed(b'{{"email": "BO@mail.dev"}')
        await inbox.keep_malformed(b'{{"email": "ava@mail.dev"}')

    with_inbox(tmp_path, come)
    assert erase("yotpo", tmp_path, erased, {"bo@mail.dev"}) == 3
    assert [orjson.loads(each.body)["n"] for each in stored(tmp_path)] == [3]
    everything = b"".join(
        file.read_bytes()
        for folder in ("sealed", "loaded", "malformed")
        for file in (tmp_path / folder).iterdir()
    )
    assert b"bo@mail.dev" not in everything.lower()
    assert erase("yotpo", tmp_path, erased, {"bo@mail.dev"}) == 0


@pytest.mark.parametrize(
    ("topic", "perk", "redemption", "expected"),
    [
        ("swell/redemption/created", "2016-10-15T16:00:17.000Z", "2016-10-15T16:00:18Z", 18),
        ("swell/customer/birthday", "2016-10-15T16:00:17.000Z", "2016-10-15T16:00:18Z", 17),
        ("swell/redemption/created", None, "2016-10-15T16:00:18Z", 18),
        ("loyalty/opt_in", None, None, None),
    ],
)
def test_when_it_happened_is_what_the_body_tells(
    topic: str, perk: str | None, redemption: str | None, expected: int | None
) -> None:
    content = {
        "topic": topic,
        **({"perk": {"completed_at": None, "created_at": perk}} if perk else {}),
        **({"redemption": {"created_at": redemption}} if redemption else {}),
    }
    given = replace(delivery(1), body=orjson.dumps(content).decode())
    moment = row("yotpo", given, "segment")["occurred_at"]
    assert (int(moment[17:19]) if moment else None) == expected


def test_smiles_row_is_the_customer_it_tells_of() -> None:
    customer = {"id": 7, "email": "Ava@mail.dev ", "updated_at": "2026-11-01T00:00:00.000Z"}
    content = {"account_id": 1, "topic": "customer/updated", "data": {"customer": customer}}
    given = replace(delivery(1), body=orjson.dumps(content).decode())
    found = row("smile", given, "segment")
    assert (found["customer_id"], found["email"]) == (7, "ava@mail.dev")
    assert found["occurred_at"] == "2026-11-01T00:00:00.000Z"
